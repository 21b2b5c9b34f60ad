"""Attacks on masks and on sequences: beside the exact optimum of linear networks, void and padding left alone, or refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import jaccard_score
from torch import nn

from dlcli.cli.commands.attack import COMMAND
from dlcli.core.attacks import load_attack
from dlcli.core.attacks.places import attacked_pictures, attacked_sequences
from dlcli.core.layers.normalise import normalised
from dlcli.engines import attack, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.masks import OUTSIDE, VOID
from dlcli.specs.normalise import standardisation
from dlcli.specs.task_attack import NOISE, WORST, TaskAttackResult
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT
from tests.conftest import Run
from tests.masked import masked_folder
from tests.sequences import text_folder, wav_folder, waves, write_ts

CPU = torch.device("cpu")
METHODS = ("fgsm", "bim", "pgd", "mifgsm", "apgd-ce")


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def changed_pictures(method: str, model: nn.Module, x: torch.Tensor, y: torch.Tensor, eps: float = 0.1) -> torch.Tensor:
    with SILENT.task("") as task:
        places = torch.arange(len(x))
        return attacked_pictures(load_attack(method), model, x, y, eps=eps, norm="linf", seed=0, places=places, task=task)


def pixel_by_pixel() -> nn.Module:
    """Two classes, whose logits are 0 and a slope times each pixel, less its half: the optimum of a pixel is known."""
    layer = nn.Conv2d(1, 2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.0, 3.0]).view(2, 1, 1, 1))
        layer.bias.copy_(torch.tensor([0.0, -1.5]))
    return layer


@pytest.mark.parametrize("method", METHODS)
def test_every_labelled_pixel_goes_to_its_optimum_and_no_other_moves(method: str):
    """The first class loses where a pixel is brighter, the second where it is darker; void pixels have no gradient."""
    x = torch.rand(3, 1, 5, 6, generator=source())
    y = torch.randint(0, 2, (3, 5, 6), generator=source(1)).byte()
    y[:, 0] = VOID
    y[1, :, 4:] = OUTSIDE
    found = changed_pictures(method, pixel_by_pixel(), x, y)
    towards = torch.where(y == 0, 1.0, -1.0)[:, None]
    labelled = (y < 2)[:, None]
    expected = torch.where(labelled, (x + 0.1 * towards).clamp(0, 1), x)
    assert torch.allclose(found[labelled], expected[labelled], atol=2e-3 if method == "apgd-ce" else 1e-6)
    assert torch.equal(found[1, :, :, 4:], x[1, :, :, 4:])
    starts_at_random = method in ("pgd", "apgd-ce")  # where a pixel without a label stays, since nothing moves it
    assert starts_at_random or torch.equal(found[:, :, 0], x[:, :, 0])
    assert (found - x).abs().max() <= 0.1 + 1e-6


def test_the_loss_is_a_sum_over_pixels_by_brute_force():
    """Of a network that mixes pixels: the step is the sign of the derivative of the summed loss, by differences in float64."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 3, padding=1)).double()
    x = (0.3 + 0.4 * torch.rand(2, 1, 4, 5, generator=source(2))).double()
    y = torch.randint(0, 3, (2, 4, 5), generator=source(3)).byte()
    y[0, 1:3] = VOID
    found = changed_pictures("fgsm", model, x, y, eps=0.05)

    def loss(picture: torch.Tensor, k: int) -> float:
        with torch.no_grad():
            log_p = model(picture[None]).log_softmax(1)[0].numpy()
        mask = y[k].numpy()
        return -sum(log_p[mask[i, j], i, j] for i in range(4) for j in range(5) if mask[i, j] < 3)

    for k in range(2):
        for i in range(4):
            for j in range(5):
                step = torch.zeros_like(x[k])
                step[0, i, j] = 1e-5
                slope = loss(x[k] + step, k) - loss(x[k] - step, k)
                assert (found[k, 0, i, j] - x[k, 0, i, j]).item() == pytest.approx(0.05 * np.sign(slope), abs=1e-9)


def test_a_picture_is_attacked_alike_whatever_its_batch():
    torch.manual_seed(1)
    model = nn.Conv2d(1, 3, 3, padding=1)
    x, y = torch.rand(4, 1, 6, 6, generator=source(4)), torch.randint(0, 3, (4, 6, 6), generator=source(5)).byte()
    y[2, 4:], y[3, :, 3:] = OUTSIDE, OUTSIDE
    together = changed_pictures("pgd", model, x, y)
    for k in range(4):
        with SILENT.task("") as task:
            alone = attacked_pictures(
                load_attack("pgd"),
                model,
                x[k : k + 1],
                y[k : k + 1],
                eps=0.1,
                norm="linf",
                seed=0,
                places=torch.tensor([k]),
                task=task,
            )
        assert torch.allclose(alone[0], together[k], atol=1e-6)


def test_methods_that_need_one_label_refuse_masks():
    x, y = torch.rand(1, 1, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64)
    with pytest.raises(UsageError, match="the attack deepfool needs one label per image"):
        load_attack("deepfool")(nn.Flatten(), x, y, eps=0.1)
    with pytest.raises(InputError, match="expected an integer for each place|the labels are"):
        load_attack("fgsm")(nn.Flatten(), x, y[:, 1:], eps=0.1)


class LastSteps(nn.Module):
    """Logits 0 and the mean of all steps of both channels, of sequences without padding."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert not x.isnan().any()
        mean = x.mean((1, 2))
        return torch.stack([torch.zeros_like(mean), mean], 1)


@pytest.mark.parametrize("method", METHODS)
def test_a_sequence_goes_to_its_optimum_in_units_of_its_channels_and_padding_stays(method: str):
    """Channels with deviations 2 and 50 move by eps of them; the NaN behind the end of a sequence stays where it was."""
    x = torch.randn(3, 2, 7, generator=source(6)) * torch.tensor([2.0, 50.0])[:, None]
    x[1, :, 4:] = torch.nan
    y = torch.tensor([0, 1, 1])
    model = normalised(LastSteps(), standardisation((0.0, 0.0), (2.0, 50.0)))
    clean = model.inner(torch.nan_to_num(x[:1] / torch.tensor([2.0, 50.0])[:, None])).argmax(1)
    with SILENT.task("") as task:
        options = {"eps": 0.3, "norm": "linf", "seed": 0, "places": torch.arange(3), "task": task}
        found = attacked_sequences(load_attack(method), model, x, y, **options)
    assert torch.equal(found.isnan(), x.isnan())
    moved = (found - x) / torch.tensor([2.0, 50.0])[:, None]
    assert moved.nan_to_num().abs().max() <= 0.3 + 1e-5
    for k, steps in enumerate((7, 4, 7)):
        values = (x[k, :, :steps] / torch.tensor([2.0, 50.0])[:, None]).mean()
        optimum = values + (0.3 if y[k] == 0 else -0.3)
        wrong_at_all = (optimum > 0) == (y[k] == 0)
        after = (found[k, :, :steps] / torch.tensor([2.0, 50.0])[:, None]).mean()
        if not wrong_at_all:  # it resists, so all steps were taken
            assert after.item() == pytest.approx(optimum.item(), abs=2e-3)
        else:
            assert (after > 0) == (y[k] == 0)
    assert clean.shape == (1,)


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("masks")
    folder = masked_folder(root / "m", 14, sets=("train", "test"), sizes=((24, 32), (20, 28)))
    quick = {"task": "segment", "epochs": 12, "lr": 0.01, "device": "cpu"}
    train.run(TrainConfig(data=str(folder), output=root / "run", **quick))
    return root


def attacked(run: Path, data: Path, **options: object) -> TaskAttackResult:
    settings = {"model": str(run), "data": str(data), "device": "cpu", "eps": 0.2}
    result = attack.run(AttackConfig(**{**settings, **options}))
    assert isinstance(result, TaskAttackResult)
    return result


def test_figures_of_masks_are_those_of_scikit_learn(masks: Path, tmp_path: Path):
    path = tmp_path / "saved.npz"
    result = attacked(masks / "run", masks / "m", method="fgsm,pgd", steps=10, save=path, output=tmp_path / "page", limit=12)
    with np.load(path) as saved:
        truth = saved["y"]
        counted = truth < OUTSIDE
        for row in result.rows:
            name = "clean" if row.eps == 0 else f"{row.eps:g}_{row.method.replace(' ', '-')}"
            ours: NDArray[np.uint8] = saved[f"predicted_{name}"]
            assert row.figure("pixel-accuracy").value == pytest.approx((ours == truth)[counted].mean(), abs=1e-12)
            iou = jaccard_score(truth[counted], ours[counted], average="macro")
            assert row.figure("miou").value == pytest.approx(iou, abs=1e-12)
        clean, worst = saved["x_clean"], saved["x_0.2_worst-of-all"]
        assert np.abs(worst - clean).max() <= 0.2 + 1e-6
        assert worst.min() >= 0 and worst.max() <= 1
    left = {row.method: row.figure("pixel-accuracy").value for row in result.rows}
    assert left[WORST] <= min(left["fgsm"], left["pgd"]) and left["pgd"] < left["clean"]
    assert left[NOISE] > left["pgd"] and not result.findings
    (gap,) = (one.minus_clean for one in result.headline.metrics if one.name == "pixel-accuracy")
    assert gap is not None and gap.established and gap.value == pytest.approx(left[WORST] - left["clean"], abs=1e-12)
    page = (tmp_path / "page" / "report.html").read_text()
    assert "The most pixels lost" in page and (tmp_path / "page" / "adversarial.npz").exists()
    assert "pixel accuracy" in COMMAND.answer(result)


def test_no_perturbation_leaves_masks_as_they_are(masks: Path):
    result = attacked(masks / "run", masks / "m", method="pgd", steps=2, eps=0.0)
    values = {row.figure("pixel-accuracy").value for row in result.rows}
    assert len(values) == 1 and result.headline.changed == 0


def test_an_attack_that_changes_nothing_says_how_thin_its_budget_is(masks: Path):
    """In L1 the default eps is shared by all values of a picture, 3 x 24 x 32 of them."""
    common = {"method": "pgd", "steps": 2, "limit": 4}
    thin = attacked(masks / "run", masks / "m", norm="l1", eps=1e-6, **common)
    assert thin.headline.changed == 0
    values = 3 * 24 * 32
    assert f"at eps 1e-06, which is {1e-6 / values:.2g} for each of {values:,} values" in " ".join(thin.notes)
    strong = attacked(masks / "run", masks / "m", eps=0.5, **common)
    assert strong.headline.changed > 0 and "a larger `eps`" not in " ".join(strong.notes)


def test_gates_and_refusals_of_masks(masks: Path, dlcli: Run):
    common = ("attack", "--model", masks / "run", "--data", masks / "m", "--device", "cpu", "--limit", "4")
    assert dlcli(*common, "--fail-under", "robust=0.99").returncode == 1
    few = {"limit": 4, "eps": 0.001}
    assert not attacked(masks / "run", masks / "m", fail_under=("clean", 0.1), **few).failed
    assert attacked(masks / "run", masks / "m", fail_under=("clean", 0.999), **few).failed.startswith("clean pixel-accuracy is")
    for method, words in (("square", "square needs one label per image"), ("noise", "noise is measured beside every attack")):
        with pytest.raises(UsageError, match=words):
            attacked(masks / "run", masks / "m", method=method)
    with pytest.raises(UsageError, match="`target` does not apply to a network that predicts masks"):
        attacked(masks / "run", masks / "m", target="box")
    plan = attack.plan(AttackConfig(model=str(masks / "run"), data=str(masks / "m")))
    assert plan[-1] == "attack its test examples by fgsm (linf) at eps 0.2"


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("series")
    write_ts(root / "W_TRAIN.ts", *waves(40, seed=1))
    write_ts(root / "W_TEST.ts", *waves(30, seed=2))
    quick = {"task": "sequence", "batch_size": 8, "epochs": 20, "device": "cpu"}
    train.run(TrainConfig(data=str(root / "W_TRAIN.ts"), model="tcn:2:8", output=root / "run", **quick))
    return root


def test_sequences_of_many_lengths(series: Path, tmp_path: Path):
    path = tmp_path / "saved.npz"
    options = {"method": "fgsm,pgd", "steps": 10, "eps": (0.1, 1.0), "save": path, "output": tmp_path / "page"}
    result = attacked(series / "run", series / "W_TRAIN.ts", **options)
    left = {(row.eps, row.method): row.figure("accuracy").value for row in result.rows}
    assert left[0, "clean"] > 0.8 and left[1, WORST] < left[0, "clean"] - 0.3
    assert left[1, WORST] <= left[0.1, WORST] and left[1, NOISE] > left[1, WORST]
    with np.load(path) as saved:
        x, made, y = saved["x_clean"], saved["x_1_pgd"], saved["y"]
        assert np.array_equal(np.isnan(x), np.isnan(made)) and np.isnan(x).any()
        deviation = np.nanstd(np.concatenate([one[0] for one in waves(40, seed=1)[0]]))
        assert np.nanmax(np.abs(made - x)) <= deviation + 1e-4
        assert left[1, "pgd"] == (saved["predicted_1_pgd"] == y).mean()
    assert "Sequences that the attack turned" in (tmp_path / "page" / "report.html").read_text()
    assert "standard deviation of its channel" in result.threat_model


def test_sequences_that_cannot_be_attacked(series: Path, tmp_path: Path):
    quick = {"task": "sequence", "model": "tcn:1:4", "epochs": 1, "device": "cpu"}
    train.run(TrainConfig(data=str(text_folder(tmp_path / "texts")), output=tmp_path / "texts-run", **quick))
    with pytest.raises(UsageError, match="it takes characters, which cannot be changed by a little"):
        attacked(tmp_path / "texts-run", tmp_path / "texts")
    train.run(TrainConfig(data=str(series / "W_TRAIN.ts"), next=True, output=tmp_path / "next-run", **quick))
    with pytest.raises(UsageError, match="it predicts the next step, and an attack needs classes"):
        attacked(tmp_path / "next-run", series / "W_TRAIN.ts")
    with pytest.raises(UsageError, match="deepfool searches within the bounds of pixels"):
        attacked(series / "run", series / "W_TRAIN.ts", method="deepfool")


def test_intervals_of_sounds_are_by_the_group_of_the_training(tmp_path: Path):
    folder = wav_folder(tmp_path / "sounds", *waves(24, low=100, high=120), speakers=6)
    quick = {"task": "sequence", "model": "gru:1:8", "epochs": 1, "device": "cpu", "group": "prefix"}
    train.run(TrainConfig(data=str(folder), output=tmp_path / "run", **quick))
    result = attacked(tmp_path / "run", folder, method="bim", steps=2)
    assert result.n_groups is not None and "Intervals are by 'prefix'." in result.notes
