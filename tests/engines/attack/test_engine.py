"""The engine of `dlcli attack`, on the embedded digits with short training."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.compute.forward import predict_logits
from dlcli.core.data import open_data
from dlcli.core.data.base import choose
from dlcli.core.model_io.cached import MemberPlan, train_or_load
from dlcli.core.model_io.untrained import open_model
from dlcli.engines import attack
from dlcli.engines.attack.images import AttackedImages
from dlcli.engines.attack.report import examples
from dlcli.specs.attack import AttackConfig, AttackResult, AttackRow
from dlcli.support.errors import InputError, NumericError, UsageError
from dlcli.support.paths import cache_dir
from dlcli.support.reporter import SILENT

RULE_ROWS = ("mean rule", "max rule", "vote rule", "mean-logit rule", "max-logit rule")
ENSEMBLE = ("best member", "mean of members", *RULE_ROWS, "oracle")
SHORT = AttackConfig(epochs=2, members=3, limit=150, device="cpu")


class Recorder:
    """Keeps notes and warnings."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.task, self.stoppable, self.log = SILENT.task, SILENT.stoppable, SILENT.log

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


def row(result: AttackResult, eps: float, name: str, threat: str = "") -> AttackRow:
    """The row of a classifier under a threat, or of the baseline under its only one."""
    own = [one for one in result.rows if one.eps == eps and one.classifier == name]
    (found,) = (one for one in own if one.threat == threat) if threat else own
    return found


def threats_of(name: str) -> tuple[str, ...]:
    if name == "baseline":
        return ("white-box",)
    if name in ("best member", "mean of members"):
        return ("transfer", "adaptive", "worst-case")
    if name == "oracle":
        return ("transfer", "transfer-inside", "adaptive", "worst-case")
    return ("transfer", "transfer-inside", "white-box" if name.startswith("mean") else "naive", "adaptive", "worst-case")


def networks(members: int = 3) -> list[nn.Module]:
    """The cached baseline and members of SHORT."""
    data, arch = open_data("digits"), open_model(None, open_data("digits"))
    names = ("baseline", *(f"member-{k}" for k in range(members)))
    found = [
        train_or_load(
            MemberPlan(
                arch=arch,
                data=data,
                recipe=replace(arch.recipe, epochs=2),
                seed=0,
                name=name,
                bootstrap=name != "baseline",
                device=torch.device("cpu"),
            ),
            cache=cache_dir() / "models",
        )
        for name in names
    ]
    assert all(one.reused for one in found)
    return [one.model for one in found]


def probabilities(models: list[nn.Module], images: torch.Tensor) -> np.ndarray:
    """In float64 by numpy, (models, n, classes)."""
    found = []
    for model in models:
        logits = predict_logits(model, images, device=torch.device("cpu")).double().numpy()
        powers = np.exp(logits - logits.max(1, keepdims=True))
        found.append(powers / powers.sum(1, keepdims=True))
    return np.array(found)


def test_there_is_a_row_for_each_eps_classifier_and_threat_in_order(whole: tuple[AttackResult, Path]) -> None:
    result = whole[0]
    assert [(one.eps, one.classifier, one.threat) for one in result.rows] == [
        (eps, name, threat) for eps in (0.2, 0.0, 0.1) for name in ("baseline", *ENSEMBLE) for threat in threats_of(name)
    ]
    assert all(one.clean.n == one.adversarial.n == one.eight_bit.n == 150 for one in result.rows)
    assert all((one.minus_mean is None) == (one.classifier == "mean rule") for one in result.rows)
    assert result.headline == row(result, 0.2, "max rule", "worst-case")


def test_the_result_describes_the_run(whole: tuple[AttackResult, Path]) -> None:
    result = whole[0]
    found = (result.method, result.norm, result.eps, result.data, result.model, result.n_images, result.members, result.rule)
    assert found == ("fgsm", "linf", (0.2, 0.0, 0.1), "digits", "digits-net", 150, 3, "max")
    assert (result.trained, result.reused, result.seed, result.failed) == (4, 0, 0, "")
    assert result.device.startswith("cpu") and len(result.model_sha256) == 64
    assert result.seconds_training > 0 and result.seconds_attack > 0


def test_at_eps_0_adversarial_is_clean(whole: tuple[AttackResult, Path]) -> None:
    for found in whole[0].rows:
        if found.eps == 0 and found.threat != "transfer-inside":
            assert found.adversarial == found.clean


def test_the_worst_case_is_at_most_every_other_case(whole: tuple[AttackResult, Path]) -> None:
    for name in ENSEMBLE:
        for eps in (0.1, 0.2):
            worst = row(whole[0], eps, name, "worst-case").adversarial.value
            others = [row(whole[0], eps, name, threat) for threat in threats_of(name) if threat != "transfer-inside"]
            assert all(worst <= one.adversarial.value for one in others), name


def test_an_oracle_has_at_least_the_accuracy_of_any_member(whole: tuple[AttackResult, Path]) -> None:
    for eps in (0.1, 0.2):
        for threat in ("transfer", "worst-case"):
            best, oracle = (row(whole[0], eps, name, threat).adversarial.value for name in ("best member", "oracle"))
            assert oracle >= best


def test_the_figures_are_those_of_networks_evaluated_by_hand(whole: tuple[AttackResult, Path]) -> None:
    """Everything again from the saved images and the cached networks, by loops over probabilities in numpy."""
    result, folder = whole
    with np.load(folder / "adversarial.npz") as saved:
        images, y = torch.from_numpy(saved["x_0.2"]), saved["y"]
    baseline, *members = networks()
    p = probabilities(members, images)
    each = (p.argmax(2) == y).mean(1)
    decided_max = [p[p[:, i].max(1).argmax(), i].argmax() for i in range(len(y))]
    wanted = {
        "best member": each.max(),
        "mean of members": each.mean(),
        "mean rule": (p.mean(0).argmax(1) == y).mean(),
        "max rule": (np.array(decided_max) == y).mean(),
        "mean-logit rule": (np.log(p).mean(0).argmax(1) == y).mean(),
        "oracle": (p.argmax(2) == y).any(0).mean(),
    }
    for name, value in wanted.items():
        assert row(result, 0.2, name, "transfer").adversarial.value == pytest.approx(value, abs=1e-9), name
    minus = row(result, 0.2, "max rule", "transfer").minus_mean
    assert minus is not None and minus.value == pytest.approx(wanted["max rule"] - wanted["mean rule"], abs=1e-9)

    inside = probabilities([*members, baseline], images)
    value = (inside.mean(0).argmax(1) == y).mean()
    assert row(result, 0.2, "mean rule", "transfer-inside").adversarial.value == pytest.approx(value, abs=1e-9)

    rounded = probabilities([baseline], torch.from_numpy(np.rint(images.numpy() * 255).astype(np.float32) / np.float32(255)))
    assert row(result, 0.2, "baseline").eight_bit.value == pytest.approx((rounded[0].argmax(1) == y).mean(), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "threat"), [("mean rule", "white-box"), ("mean-logit rule", "white-box"), ("max rule", "naive")]
)
def test_images_through_a_rule_climb_the_loss_of_that_rule(whole: tuple[AttackResult, Path], name: str, threat: str) -> None:
    """One step of FGSM by hand: the gradient of the rule's own cross-entropy, written in probabilities."""
    result, folder = whole
    with np.load(folder / "adversarial.npz") as saved:
        x, y = torch.from_numpy(saved["x_clean"]).requires_grad_(True), torch.from_numpy(saved["y"])
    _, *members = networks()
    p = torch.stack([member(x).double().softmax(-1) for member in members])
    surest = p.max(-1).values.argmax(0)
    losses = {
        "mean rule": -p.mean(0)[torch.arange(len(y)), y].log(),
        "mean-logit rule": nn.functional.cross_entropy(p.log().mean(0), y, reduction="none"),
        "max rule": -p[surest, torch.arange(len(y)), y].log(),
    }
    (gradient,) = torch.autograd.grad(losses[name].sum(), x)
    attacked = probabilities(members, (x + 0.2 * gradient.sign()).clamp(0, 1).detach())
    decided = {
        "mean rule": attacked.mean(0).argmax(1),
        "mean-logit rule": np.log(attacked).mean(0).argmax(1),
        "max rule": np.array([attacked[attacked[:, i].max(1).argmax(), i].argmax() for i in range(len(y))]),
    }
    # The sign of a gradient that is 0 but for rounding may differ in a few pixels, and with it an image or two.
    assert row(result, 0.2, name, threat).adversarial.value == pytest.approx((decided[name] == y.numpy()).mean(), abs=2.5 / 150)


def test_classes_and_methods_add_up_to_the_headline_and_the_baseline(whole: tuple[AttackResult, Path]) -> None:
    result = whole[0]
    for figure in ("clean", "adversarial"):
        right = sum(getattr(one, figure).value * getattr(one, figure).n for one in result.per_class)
        assert right == pytest.approx(getattr(result.headline, figure).value * 150)
    assert [one.name for one in result.per_class] == [str(digit) for digit in range(10)]
    assert [(one.eps, one.method) for one in result.by_method] == [(0.2, "fgsm"), (0.0, "fgsm"), (0.1, "fgsm")]
    for one in result.by_method:
        assert one.adversarial == row(result, one.eps, "baseline").adversarial
    assert result.by_method[1].queries == 0 and 1 <= result.by_method[0].queries < 1.1


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
        assert f"{100 * one.adversarial.value:.1f} <small>[{100 * one.adversarial.low:.1f}, " in page
    assert all(note in page for note in result.notes)
    assert result.model_sha256 in page and "seed 0" in page and "bounds 0 to 1" in page
    assert "fgsm" in page and all(f'"name">{one.name}<' in page for one in result.per_class)
    assert page.count("<svg ") == 2  # accuracy over eps, and the last hidden layer
    assert "http://" not in page and "https://" not in page


def test_the_notes_explain_the_limits_of_the_figures(whole: tuple[AttackResult, Path]) -> None:
    notes = " ".join(whole[0].notes)
    assert "is an upper bound" in notes and "optimistically biased" in notes
    minus = row(whole[0], 0.2, "max rule", "worst-case").minus_mean
    assert minus is not None
    word = "established" if minus.low > 0 or minus.high < 0 else "not established"
    value, low, high = (f"{100 * end + 0.0:+.1f}" for end in (minus.value, minus.low, minus.high))
    difference = f"{value} points [{low}, {high}]"
    assert f"Max minus mean, adversarial accuracy at eps 0.2 (worst-case): {difference}, {word}." in notes


def test_a_second_run_reuses_the_networks_and_has_the_same_figures(whole: tuple[AttackResult, Path]) -> None:
    recorder = Recorder()
    again = attack.run(replace(SHORT, ensemble="vote", eps=(0.2, 0.0, 0.1)), report=recorder)
    assert (again.rows, again.model_sha256) == (whole[0].rows, whole[0].model_sha256)
    assert (again.trained, again.reused) == (0, 4)
    assert recorder.notes == ["reused 4 networks from the cache"] and not recorder.warnings
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
    # Two points are too few for t-SNE.
    assert {one.name for one in tmp_path.iterdir()} == set(attack.FILES) - {"tsne.png"}


def test_a_plan_describes_the_run_and_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lines = attack.plan(replace(SHORT, ensemble="max", eps=(0.1, 0.2), output=tmp_path / "out"))
    assert lines[0] == "read digits: 1198 training and 599 test images of 1x8x8, 10 classes"
    assert lines[1].startswith("train digits-net for 2 epochs on cpu") and "baseline and 3 bootstrapped members" in lines[1]
    assert lines[2] == "attack 150 test images of the baseline, and 3 members under every rule by fgsm (linf) at eps 0.1, 0.2"
    assert lines[3] == f"write adversarial.npz, examples.png, tsne.png, report.html in {tmp_path / 'out'}"
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_file_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UsageError, match="is not a directory"):
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
        return {"text": "logits", "dict": {"a": logits, "b": x}, "nan": logits / 0 * 0, "sure": sure}[self.kind]

def gives_text(classes): return Wrapped(classes, "text")
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
        ("gives_text", "the model returns a str, not a tensor"),
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


def test_images_without_gradient_are_distinguished_from_robust_ones(models: Path) -> None:
    # A softmax so sharp that it rounds to 0 and 1: right answers have a loss and a gradient of exactly 0.
    result = attack.run(replace(SHORT, model=f"{models}:sure", epochs=5))
    right = round(result.headline.clean.value * 150)
    assert right > 30
    assert result.headline.adversarial.value == result.headline.clean.value
    (found,) = (one.detail for one in result.findings if one.check == "zero gradients")
    assert found.startswith(f"{right} of 150 images have no gradient")


def test_the_figure_shows_first_what_changed_from_right_to_wrong() -> None:
    labels, before = np.zeros(12, dtype=np.int64), np.array([0, 1] * 6)
    after = np.array([0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 5])
    pictures = np.arange(12, dtype=np.float32).reshape(12, 1, 1, 1) / 12
    shown = examples(AttackedImages(pictures, labels, before, {0.1: pictures}, {0.1: after}, ("cat", "dog")), 0.1)
    assert [round(float(one.clean[0, 0, 0] * 12)) for one in shown] == [2, 4, 0, 1, 3, 5, 6, 7]
    assert (shown[0].true, shown[0].predicted_clean, shown[0].predicted_adversarial) == ("cat", "cat", "dog")


def test_names_of_classes_are_on_the_picture_whatever_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = np.array(["<b>cat</b>", "$dog_1$"])[np.arange(60) % 2]
    x = (rng.random((60, 8, 8, 3)) * 255).astype(np.uint8)
    np.savez(tmp_path / "d.npz", x=x, y=names)
    result = attack.run(replace(SHORT, data=str(tmp_path / "d.npz"), epochs=1, output=tmp_path / "out"))
    assert result.n_images == 12 and (tmp_path / "out" / "examples.png").stat().st_size > 5000
