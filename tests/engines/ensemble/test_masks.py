"""Ensembles of networks that predict masks: beside plain calculations on the logits of the members, and scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import jaccard_score

from dlcli.cli.commands.ensemble import COMMAND
from dlcli.core.ensembles.combine import RULES, RuleModel, ensemble_logits
from dlcli.core.evaluation.mask_counts import MaskCounts
from dlcli.core.evaluation.mask_figures import mask_differences, mask_gains, set_miou
from dlcli.core.model_io.run_dir import load_model
from dlcli.engines import attack, ensemble, eval, predict, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.mask_ensemble import MaskEnsembleResult, MaskEnsembleRow
from dlcli.specs.masks import MaskEvalResult
from dlcli.specs.predict import PredictConfig
from dlcli.specs.task_attack import TaskAttackResult
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from tests.masked import masked_folder, scene

N, MEMBERS = 12, 2
QUICK: dict[str, Any] = {"task": "segment", "epochs": 4, "lr": 0.01, "device": "cpu"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return masked_folder(tmp_path_factory.mktemp("masks") / "m", N, sets=("train", "test"))


@pytest.fixture(scope="module")
def folder(data: Path) -> Path:
    """The directory of an ensemble of two members."""
    return data.parent / "e"


@pytest.fixture(scope="module")
def result(data: Path, folder: Path) -> MaskEnsembleResult:
    found = ensemble.run(config(data, output=folder))
    assert isinstance(found, MaskEnsembleResult)
    return found


def config(data: Path, **changes: Any) -> EnsembleConfig:
    settings = {"data": str(data), "model": ("unet",), "members": MEMBERS, "bootstrap": 0.5, "workers": 1, **QUICK}
    return EnsembleConfig(**{**settings, **changes})


def probabilities(model: Path) -> np.ndarray:
    """Those of the classes at each pixel of the test pictures, (n, k, h, w)."""
    x = np.stack([scene(1000 + k)[0].transpose(2, 0, 1) / 255 for k in range(N)])
    with torch.no_grad():
        logits = load_model(model, torch.device("cpu")).model(torch.from_numpy(x).float())
    return logits.double().softmax(1).numpy()


def truth() -> np.ndarray:
    return np.stack([scene(1000 + k)[1] for k in range(N)])


def miou(labels: np.ndarray) -> float:
    return float(jaccard_score(truth().ravel(), labels.ravel(), average="macro"))


def row(result: MaskEnsembleResult, classifier: str, members: int = MEMBERS) -> MaskEnsembleRow:
    return next(one for one in result.rows if (one.classifier, one.members) == (classifier, members))


def test_the_mean_is_that_of_the_probabilities_at_each_pixel(result: MaskEnsembleResult, folder: Path):
    each = np.stack([probabilities(folder / "members" / f"{k:03}") for k in range(MEMBERS)])
    mean, own = each.mean(0).argmax(1), each.argmax(2)
    assert (own[0] != own[1]).any() and (mean != own[0]).any()  # or the mean would tell nothing
    found = row(result, "mean rule")
    assert found == result.headline and found.gain is not None and found.pixel_gain is not None
    assert found.miou.value == pytest.approx(miou(mean), abs=1e-12)
    assert found.pixel_accuracy.value == pytest.approx((mean == truth()).mean(), abs=1e-12)
    members = [miou(one) for one in own]
    assert [one.miou.value for one in result.members] == pytest.approx(members, abs=1e-12)
    assert row(result, "mean of members").miou.value == pytest.approx(np.mean(members), abs=1e-12)
    assert row(result, "best member").miou.value == pytest.approx(max(members), abs=1e-12)
    assert found.gain.value == pytest.approx(miou(mean) - np.mean(members), abs=1e-12)
    assert found.pixel_gain.value == pytest.approx((mean == truth()).mean() - (own == truth()).mean(), abs=1e-12)
    assert found.gain.low <= found.gain.value <= found.gain.high and found.gain.n == N
    assert "mIoU" in COMMAND.answer(result) and COMMAND.table(result).columns[1] == "mIoU, mean rule"


def test_eval_and_predict_take_the_directory(result: MaskEnsembleResult, data: Path, folder: Path, tmp_path: Path):
    found = eval.run(EvalConfig(model=str(folder), data=str(data), device="cpu"))
    assert isinstance(found, MaskEvalResult) and result.headline is not None
    figures = {one.name: one.estimate for one in found.metrics}
    assert (figures["miou"], figures["pixel-accuracy"]) == (result.headline.miou, result.headline.pixel_accuracy)
    each = np.stack([probabilities(folder / "members" / f"{k:03}") for k in range(MEMBERS)])
    for rule, expected in (("mean", each.mean(0)), ("mean-logit", np.log(each).mean(0))):
        out = tmp_path / rule
        options = {"model": str(folder), "data": str(data), "split": "test", "device": "cpu", "masks": out, "ensemble": rule}
        table = predict.run(PredictConfig(**options)).table
        masks = {str(line[1]): np.asarray(Image.open(out / str(line[2]))) for line in table.rows}
        names = [f"scene-{(k * 37) % 1009}-{'abcdef'[k % 6]}" for k in range(N)]
        labels = np.stack([masks[f"test/images/{name}.png"] for name in names])
        assert np.array_equal(labels, expected.argmax(1))


def test_one_member_decides_as_it_does_alone(result: MaskEnsembleResult, folder: Path):
    alone, first = row(result, "mean rule", 1), result.members[0]
    assert (alone.miou, alone.pixel_accuracy) == (first.miou, first.pixel_accuracy)
    assert alone.gain is not None and (alone.gain.value, alone.gain.low, alone.gain.high) == (0, 0, 0)
    member = load_model(folder / "members" / "000", torch.device("cpu")).model
    x = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own = member(x)
        assert torch.equal(RuleModel([member], "mean-logit").eval()(x), own)
        assert all(torch.equal(RuleModel([member], rule).eval()(x).argmax(1), own.argmax(1)) for rule in RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_decides_at_each_pixel_as_for_an_image(rule: str):
    logits = torch.randn(3, 2, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    found = ensemble_logits(logits, rule)
    assert found.shape == (2, 4, 5, 6)
    for i in range(5):
        for j in range(6):
            assert torch.allclose(found[..., i, j], ensemble_logits(logits[..., i, j], rule))
            assert torch.equal(found[..., i, j].argmax(1), RULES[rule](logits[..., i, j]))


def test_gains_are_over_the_mean_of_the_others():
    source = np.random.default_rng(0)
    one, first, second = (MaskCounts(source.integers(1, 50, (20, 3, 3)), np.ones((20, 3, 4), np.int64)) for _ in range(3))
    same = mask_differences(one, first, None, seed=3)
    for name, gap in mask_gains(one, [first, first], None, seed=3).items():
        assert (gap.value, gap.low, gap.high) == pytest.approx((same[name].value, same[name].low, same[name].high))
    both = mask_gains(one, [first, second], None, seed=3)["miou"]
    assert both.value == pytest.approx(set_miou(one) - (set_miou(first) + set_miou(second)) / 2)
    drawn = []
    for _ in range(2000):
        picked = source.integers(0, 20, 20)
        a, b, c = (set_miou(counts.take(picked)) for counts in (one, first, second))
        drawn.append(a - (b + c) / 2)
    width = np.subtract(*np.quantile(drawn, (0.975, 0.025)))
    assert both.high - both.low == pytest.approx(width, rel=0.2)  # a little wider, since pictures are few


def test_members_are_resumed_and_trained_networks_are_added(result: MaskEnsembleResult, data: Path, folder: Path):
    again = ensemble.run(config(data, output=folder, resume=True))
    assert again.rows == result.rows and all(one.reused for one in again.members)
    with pytest.raises(UsageError, match="`resume`: .* was started with `loss=cross-entropy`, not dice"):
        ensemble.run(config(data, output=folder, resume=True, loss="dice"))
    runs = tuple(str(folder / "members" / f"{k:03}") for k in range(MEMBERS))
    output = folder.parent / "added"
    found = ensemble.run(config(data, members=0, bootstrap=None, add=runs, output=output))
    assert isinstance(found, MaskEnsembleResult) and found.rows == result.rows
    assert isinstance(found := eval.run(EvalConfig(model=str(output), data=str(data), device="cpu")), MaskEvalResult)
    assert result.headline is not None and found.metrics[0].estimate == result.headline.miou


def test_attacks_go_through_the_rule_and_the_bound_is_on_a_figure_of_it(result: MaskEnsembleResult, data: Path, folder: Path):
    found = attack.run(AttackConfig(model=str(folder), data=str(data), device="cpu", eps=0.1, ensemble="mean", limit=N))
    assert isinstance(found, TaskAttackResult) and result.headline is not None
    assert found.rows[0].figure("miou").value == pytest.approx(result.headline.miou.value, abs=1e-12)
    shared = {"epochs": 1, "members": 2}
    assert ensemble.run(config(data, **shared, fail_under="miou=0")).failed == ""
    assert ensemble.run(config(data, **shared, fail_under="pixel-accuracy=1")).failed.startswith("pixel-accuracy of the mean")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"score_column": "x"}, "`score_column`"),
        ({"adversarial": "fgsm:0.1"}, "`adversarial`"),
        ({"loss": "huber"}, "`loss=huber` is not a loss of masks"),
        ({"rule": "median"}, "`rule`: classes are not combined by median"),
        ({"fail_under": "accuracy=0.5"}, "`fail_under`: 'accuracy' is not one of miou, pixel-accuracy"),
        ({"task": "images", "crop": 32}, "`crop` needs `task=segment`"),
        ({"task": "images", "loss": "dice"}, "`loss` needs `task=score`"),
        ({"task": "score", "loss": "dice"}, "`loss=dice` is not a loss of scores"),
    ],
)
def test_options_of_other_tasks_are_refused_by_name(options: dict[str, Any], words: str):
    with pytest.raises(UsageError, match=words):
        config(Path("digits"), **options)


def test_networks_of_other_tasks_are_refused_by_name(result: MaskEnsembleResult, data: Path, folder: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="`strategy`: these members cannot be stacked: they predict masks"):
        ensemble.run(config(data, strategy="stacked"))
    with pytest.raises(UsageError, match="`ensemble`: .* is not an ensemble"):
        eval.run(EvalConfig(model=str(folder / "members" / "000"), data=str(data), ensemble="mean", device="cpu"))
    train.run(TrainConfig(data="digits", model="mlp", epochs=1, limit=50, device="cpu", output=tmp_path / "images"))
    with pytest.raises(UsageError, match="`add`: .* predicts classes"):
        ensemble.run(config(data, add=(str(tmp_path / "images"),)))
    other = masked_folder(tmp_path / "other", 8)
    (other / "classes.txt").write_text("a\nb\nc\n")
    with pytest.raises(InputError, match="`add`: .* was trained on other classes"):
        ensemble.run(config(other, add=(str(folder / "members" / "000"),)))
