"""The engine of `dlcli attack`, on the embedded digits with short training."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dlcli.core.data import open_data
from dlcli.core.data.base import choose
from dlcli.core.loop import predict_logits
from dlcli.core.members import fit_member
from dlcli.core.models import open_model
from dlcli.engines import attack
from dlcli.engines._attack_files import Images, examples
from dlcli.specs.attack import AttackConfig, AttackResult, AttackRow
from dlcli.support.errors import InputError, NumericError, UsageError
from dlcli.support.paths import cache_dir
from dlcli.support.report import SILENT

ENSEMBLE = ("best member", "mean of members", "mean rule", "max rule", "vote rule")
SHORT = AttackConfig(epochs=2, members=3, limit=150, device="cpu")


class Ear:
    """Keeps what an engine says."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.task = SILENT.task

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests of this file share."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def cached(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))


@pytest.fixture(scope="module")
def whole(home: Path) -> tuple[AttackResult, Path]:
    """A run with everything, and its folder."""
    folder = home / "out" / "deep"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home))
        result = attack.run(replace(SHORT, ensemble="max", eps=(0.2, 0.0, 0.1), output=folder))
    return result, folder


def row(result: AttackResult, eps: float, name: str) -> AttackRow:
    (found,) = (one for one in result.rows if one.eps == eps and one.classifier == name)
    return found


def test_there_is_a_row_for_each_eps_and_classifier_in_order(whole: tuple[AttackResult, Path]) -> None:
    result = whole[0]
    assert [(one.eps, one.classifier) for one in result.rows] == [
        (eps, name) for eps in (0.2, 0.0, 0.1) for name in ("baseline", *ENSEMBLE)
    ]
    assert [one.threat for one in result.rows] == ["white-box", *["transfer"] * 5] * 3
    assert all(one.clean.n == one.adversarial.n == 150 for one in result.rows)
    assert all((one.minus_mean is None) == (one.classifier == "mean rule") for one in result.rows)
    assert result.headline == row(result, 0.2, "max rule")


def test_the_result_says_what_was_done(whole: tuple[AttackResult, Path]) -> None:
    result = whole[0]
    told = (result.method, result.norm, result.eps, result.data, result.model, result.n_images, result.members, result.rule)
    assert told == ("fgsm", "linf", (0.2, 0.0, 0.1), "digits", "digits-net", 150, 3, "max")
    assert (result.trained, result.reused, result.seed, result.failed) == (4, 0, 0, "")
    assert result.device.startswith("cpu") and len(result.model_sha256) == 64
    assert result.seconds_training > 0 and result.seconds_attack > 0


def test_at_eps_0_adversarial_is_clean(whole: tuple[AttackResult, Path]) -> None:
    for name in ("baseline", *ENSEMBLE):
        found = row(whole[0], 0.0, name)
        assert found.adversarial == found.clean


def test_the_figures_are_those_of_networks_judged_by_hand(whole: tuple[AttackResult, Path]) -> None:
    """Everything again from the saved images and the cached networks, by loops over probabilities in numpy."""
    result, folder = whole
    data = open_data("digits")
    arch = open_model(None, data)
    recipe = replace(arch.recipe, epochs=2)
    device = torch.device("cpu")
    with np.load(folder / "adversarial.npz") as saved:
        images, y = torch.from_numpy(saved["x_0.2"]), saved["y"]
    probabilities = []
    for k in range(3):
        cache = cache_dir() / "models"
        one = fit_member(arch, data, recipe=recipe, seed=0, name=f"member-{k}", bootstrap=True, device=device, cache=cache)
        assert one.reused
        logits = predict_logits(one.model, images, device=device).double().numpy()
        powers = np.exp(logits - logits.max(1, keepdims=True))
        probabilities.append(powers / powers.sum(1, keepdims=True))
    p = np.array(probabilities)
    each = (p.argmax(2) == y).mean(1)
    decided_max = [p[p[:, i].max(1).argmax(), i].argmax() for i in range(len(y))]
    wanted = {
        "best member": each.max(),
        "mean of members": each.mean(),
        "mean rule": (p.mean(0).argmax(1) == y).mean(),
        "max rule": (np.array(decided_max) == y).mean(),
    }
    for name, value in wanted.items():
        assert row(result, 0.2, name).adversarial.value == pytest.approx(value, abs=1e-9), name
    minus = row(result, 0.2, "max rule").minus_mean
    assert minus is not None and minus.value == pytest.approx(wanted["max rule"] - wanted["mean rule"], abs=1e-9)


def test_the_saved_arrays_agree_with_the_figures(whole: tuple[AttackResult, Path]) -> None:
    result, folder = whole
    data = open_data("digits")
    with np.load(folder / "adversarial.npz", allow_pickle=False) as saved:
        arrays = dict(saved)
    keys = {"x_clean", "y", "predicted_clean", *(f"{kind}_{eps}" for kind in ("x", "predicted") for eps in ("0", "0.1", "0.2"))}
    assert set(arrays) == keys
    assert np.array_equal(arrays["x_clean"], data.x_test[choose(data.y_test.numpy(), 150)].numpy()) and np.array_equal(
        arrays["x_0"], arrays["x_clean"]
    )
    assert np.array_equal(arrays["y"], data.y_test[choose(data.y_test.numpy(), 150)].numpy())
    right = (arrays["predicted_clean"] == arrays["y"]).mean()
    for eps in (0.0, 0.1, 0.2):
        assert row(result, eps, "baseline").clean.value == pytest.approx(right)
        x, predicted = arrays[f"x_{eps:g}"], arrays[f"predicted_{eps:g}"]
        assert x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1
        assert np.abs(x - arrays["x_clean"]).max() <= eps + 1e-6
        assert (predicted == arrays["y"]).mean() == pytest.approx(row(result, eps, "baseline").adversarial.value)


def test_the_folder_holds_these_files_and_no_other(whole: tuple[AttackResult, Path]) -> None:
    assert sorted(one.name for one in whole[1].iterdir()) == sorted(attack.FILES)


def test_the_page_has_every_figure_and_note(whole: tuple[AttackResult, Path]) -> None:
    result, folder = whole
    page = (folder / "report.html").read_text(encoding="utf-8")
    for one in result.rows:
        assert f"{one.adversarial.value:.3f} <small>[{one.adversarial.low:.3f}, {one.adversarial.high:.3f}]" in page
    assert all(note in page for note in result.notes)
    assert result.model_sha256 in page and "seed 0" in page and "bounds 0 to 1" in page
    assert page.count("data:image/png;base64,") == 2  # accuracy over eps, and the examples
    assert "http://" not in page and "https://" not in page


def test_the_notes_say_what_the_figures_do_not(whole: tuple[AttackResult, Path]) -> None:
    notes = " ".join(whole[0].notes)
    assert "upper bounds" in notes and "flatters" in notes
    minus = row(whole[0], 0.2, "max rule").minus_mean
    assert minus is not None
    word = "established" if minus.low > 0 or minus.high < 0 else "not established"
    assert f"max minus mean, adversarial accuracy at eps 0.2: {minus}: {word}." in notes


def test_a_second_run_reuses_the_networks_and_says_the_same(whole: tuple[AttackResult, Path]) -> None:
    ear = Ear()
    again = attack.run(replace(SHORT, ensemble="vote", eps=(0.2, 0.0, 0.1)), report=ear)
    assert (again.rows, again.model_sha256) == (whole[0].rows, whole[0].model_sha256)
    assert (again.trained, again.reused) == (0, 4)
    assert ear.notes == ["reused 4 networks from the cache"] and not ear.warnings
    assert again.headline.classifier == "vote rule"


def test_without_an_ensemble_there_is_the_baseline_alone(whole: tuple[AttackResult, Path]) -> None:
    result = attack.run(replace(SHORT, eps=(0.1, 0.2, 0.1)))
    assert [(one.eps, one.classifier, one.minus_mean) for one in result.rows] == [
        (0.1, "baseline", None),
        (0.2, "baseline", None),
    ]
    assert (result.members, result.rule, result.trained + result.reused) == (0, "", 1)
    assert result.headline == result.rows[1]
    same = row(whole[0], 0.2, "baseline")
    assert (result.headline.clean, result.headline.adversarial) == (same.clean, same.adversarial)


def test_training_and_attack_leave_random_states_alone() -> None:
    before = torch.get_rng_state()
    attack.run(replace(SHORT, epochs=1, limit=5))
    assert torch.equal(torch.get_rng_state(), before)


def test_noise_is_called_a_control() -> None:
    result = attack.run(replace(SHORT, method="noise", ensemble="mean"))
    assert {one.threat for one in result.rows} == {"control"}
    assert "control" in result.notes[0] and "upper bound" not in " ".join(result.notes)
    fooled = attack.run(SHORT).headline.adversarial.value
    assert row(result, 0.2, "baseline").adversarial.value > fooled


@pytest.mark.parametrize("metric", ["clean", "robust"])
def test_a_bound_that_is_missed_fails_and_one_that_is_met_does_not(metric: str) -> None:
    found = attack.run(SHORT).headline
    value = (found.clean if metric == "clean" else found.adversarial).value
    assert attack.run(replace(SHORT, fail_under=(metric, value))).failed == ""
    failed = attack.run(replace(SHORT, fail_under=(metric, math.nextafter(value, 2)))).failed
    assert failed.startswith(f"{metric} accuracy of the baseline at eps 0.2 is {value:.3f} [") and "\n" not in failed


def test_a_limit_above_the_number_of_images_takes_all() -> None:
    assert attack.run(replace(SHORT, limit=10_000)).n_images == len(open_data("digits").x_test)


def test_one_image_gives_a_picture_too(tmp_path: Path) -> None:
    attack.run(replace(SHORT, limit=1, eps=(0.0,), output=tmp_path))
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(attack.FILES)


def test_a_plan_says_what_would_be_done_and_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lines = attack.plan(replace(SHORT, ensemble="max", eps=(0.1, 0.2), output=tmp_path / "out"))
    assert lines[0] == "read digits: 1198 training and 599 test images of 1x8x8, 10 classes"
    assert lines[1].startswith("train digits-net for 2 epochs on cpu") and "baseline and 3 bootstrapped members" in lines[1]
    assert lines[2] == "attack 150 test images of the baseline by fgsm (linf) at eps 0.1, 0.2"
    assert lines[3] == f"write adversarial.npz, examples.png, report.html in {tmp_path / 'out'}"
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_file_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UsageError, match="is not a folder"):
        attack.plan(replace(SHORT, output=tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "kept"


MODELS = """
from torch import nn

class Wrapped(nn.Module):
    def __init__(self, classes, kind):
        super().__init__()
        self.net, self.kind = nn.Sequential(nn.Flatten(), nn.Linear(64, classes)), kind

    def forward(self, x):
        logits = self.net(x)
        sure = logits * (1 if self.training else 1e6)
        return {"tuple": (logits, x), "dict": {"logits": logits}, "nan": logits / 0 * 0, "sure": sure}[self.kind]

def gives_tuple(classes): return Wrapped(classes, "tuple")
def gives_dict(classes): return Wrapped(classes, "dict")
def gives_nan(classes): return Wrapped(classes, "nan")
def gives_too_few(classes): return nn.Sequential(nn.Flatten(), nn.Linear(64, classes - 1))
def takes_28(classes): return nn.Sequential(nn.Flatten(), nn.Linear(784, classes))
def sure(classes): return Wrapped(classes, "sure")
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    file = tmp_path / "models.py"
    file.write_text(MODELS)
    return file


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gives_tuple", "the model returns a tuple, not a tensor"),
        ("gives_dict", "the model returns a dict, not a tensor"),
        ("gives_too_few", "the model has 9 outputs, but labels go up to 9"),
        ("takes_28", "the model fails on images of shape 1x8x8 (float32)"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_in_one_line(models: Path, name: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        attack.run(replace(SHORT, model=f"{models}:{name}"))
    assert words in caught.value.message and "\n" not in caught.value.message and caught.value.hint


def test_logits_of_nan_are_refused_before_training(models: Path) -> None:
    with pytest.raises(NumericError, match="logits are NaN or infinite"):
        attack.plan(replace(SHORT, model=f"{models}:gives_nan"))


def test_images_without_gradient_are_told_from_robust_ones(models: Path) -> None:
    # A softmax so sharp that it rounds to 0 and 1: right answers have a loss and a gradient of exactly 0.
    result = attack.run(replace(SHORT, model=f"{models}:sure", epochs=5))
    right = round(result.headline.clean.value * 150)
    assert right > 30
    assert result.headline.adversarial.value == result.headline.clean.value
    assert f"{right} of 150 images have no gradient" in result.notes[-1]


def test_the_picture_shows_first_what_turned_from_right_to_wrong() -> None:
    labels, before = np.zeros(12, dtype=np.int64), np.array([0, 1] * 6)
    after = np.array([0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 5])
    pictures = np.arange(12, dtype=np.float32).reshape(12, 1, 1, 1) / 12
    shown = examples(Images(pictures, labels, before, {0.1: pictures}, {0.1: after}, ("cat", "dog")), 0.1)
    assert [round(float(one.clean[0, 0, 0] * 12)) for one in shown] == [2, 4, 0, 1, 3, 5, 6, 7]
    assert (shown[0].true, shown[0].predicted_clean, shown[0].predicted_adversarial) == ("cat", "cat", "dog")


def test_names_of_classes_are_on_the_picture_whatever_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = np.array(["<b>cat</b>", "$dog_1$"])[np.arange(60) % 2]
    x = (rng.random((60, 8, 8, 3)) * 255).astype(np.uint8)
    np.savez(tmp_path / "d.npz", x=x, y=names)
    result = attack.run(replace(SHORT, data=str(tmp_path / "d.npz"), epochs=1, output=tmp_path / "out"))
    assert result.n_images == 12 and (tmp_path / "out" / "examples.png").stat().st_size > 5000
