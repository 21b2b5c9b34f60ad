"""A saved ensemble under `dlcli attack`: as one that is trained here, with a baseline of its own, another, or none."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.data import open_data
from dlcli.core.model_io.cached import MemberPlan, train_or_load
from dlcli.core.model_io.ensemble_dir import member_folder, save_ensemble_metadata
from dlcli.core.model_io.run_dir import save_model
from dlcli.core.model_io.untrained import open_model
from dlcli.engines import attack
from dlcli.engines.attack.networks import AlignedOutputs
from dlcli.specs.attack import AttackConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.paths import cache_dir

SHORT = AttackConfig(trust_code=True, epochs=2, eps=(0.1,), limit=80, device="cpu")
NAMES = ("member-0", "member-1", "member-2")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests of this file share."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def cached(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))


def fitted(name: str) -> nn.Module:
    """The network that a run of SHORT trains under this name."""
    data = open_data("digits")
    arch = open_model(None, data)
    return train_or_load(
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
    ).model


def put(folder: Path, model: nn.Module, *, spec: str = "digits-net", classes: Sequence[str] = tuple("0123456789")) -> Path:
    save_model(folder, model=model, spec=spec, surgery=(), data="digits", channels=1, size=(8, 8), classes=classes)
    return folder


def ensemble(folder: Path, rule: str = "vote", **options: object) -> Path:
    for k, name in enumerate(NAMES):
        put(member_folder(folder, k), reversed_outputs(fitted(name)) if "classes" in options else fitted(name), **options)
    save_ensemble_metadata(folder, len(NAMES), rule)
    return folder


def reversed_outputs(model: nn.Module) -> nn.Module:
    """The same network with its outputs in the opposite order."""
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    last.weight.data, last.bias.data = last.weight.data.flip(0), last.bias.data.flip(0)
    return model


def test_a_saved_ensemble_has_the_rows_of_the_same_members_trained_here(tmp_path: Path) -> None:
    for method in ("fgsm", "mifgsm"):
        here = attack.run(replace(SHORT, ensemble="max", members=3, method=method, limit=40))
        saved = attack.run(replace(SHORT, ensemble="max", method=method, limit=40, model=str(ensemble(tmp_path / method))))
        assert saved.rows == here.rows and saved.headline == here.headline
        assert (saved.by_method[0].adversarial, saved.per_class) == (here.by_method[0].adversarial, here.per_class)
        assert (saved.members, saved.rule, saved.model) == (3, "max", "3 x digits-net (max rule)")
        assert (saved.trained, saved.reused) == (0, 1)  # the baseline alone is trained here
        assert saved.model_sha256 != here.model_sha256


def test_outputs_in_another_order_change_no_figure(tmp_path: Path) -> None:
    plain = attack.run(replace(SHORT, model=str(ensemble(tmp_path / "a"))))
    reversed_ = attack.run(replace(SHORT, model=str(ensemble(tmp_path / "b", classes=tuple("9876543210")))))
    for one, other in zip(plain.rows, reversed_.rows, strict=True):
        assert (one.classifier, one.threat) == (other.classifier, other.threat)
        # Sums in another order may change the class of an image on a decision boundary.
        assert one.adversarial.value == pytest.approx(other.adversarial.value, abs=1.5 / 80), one.classifier
        assert one.clean.value == pytest.approx(other.clean.value, abs=1.5 / 80)
    assert {one.name: one.clean.n for one in plain.per_class} == {one.name: one.clean.n for one in reversed_.per_class}


def test_the_headline_is_the_rule_it_was_saved_with_unless_another_is_asked_for(tmp_path: Path) -> None:
    config = replace(SHORT, model=str(ensemble(tmp_path, "mean-logit")), limit=20)
    assert attack.run(config).headline.classifier == "mean-logit rule"
    assert attack.run(replace(config, ensemble="mean")).headline.classifier == "mean rule"


CODE = """
from tests.engines.attack.test_networks import Fixed
def plain(classes): return Fixed(classes)
"""


@pytest.fixture
def code(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text(CODE)
    return f"{tmp_path / 'nets.py'}:plain"


@pytest.fixture
def lone(tmp_path: Path, code: str) -> Path:
    """An ensemble of code, which has no baseline: the same linear network thrice, by hand."""
    from tests.engines.attack.test_networks import Fixed

    for k in range(3):
        put(member_folder(tmp_path / "lone", k), Fixed(10), spec=code)
    save_ensemble_metadata(tmp_path / "lone", 3, "max")
    return tmp_path / "lone"


@pytest.mark.parametrize("method", ["fgsm", "noise", "pgd"])
def test_without_a_network_outside_there_are_no_transfer_rows_and_a_note(tmp_path: Path, lone: Path, method: str) -> None:
    config = AttackConfig(
        trust_code=True, model=str(lone), eps=(0.1,), limit=40, method=method, output=tmp_path / "out", device="cpu"
    )
    result = attack.run(config)
    assert "no transfer rows" in result.notes[0] and "`surrogate`" in result.notes[0]
    assert not any(one.upper_bound or one.classifier == "baseline" for one in result.rows)
    assert (result.trained, result.reused, result.headline.classifier) == (0, 0, "max rule")
    assert "baseline" not in result.threat_model and "baseline" not in " ".join(attack.plan(config))
    with np.load(tmp_path / "out" / "adversarial.npz") as saved:
        right = (saved["predicted_0.1"] == saved["y"]).mean()
    assert result.by_method[0].adversarial.value == pytest.approx(right)


def test_an_ensemble_of_one_network_is_as_robust_as_that_network(lone: Path, code: str) -> None:
    """The mean rule of three times the same network is that network, and so is the gradient through it."""
    options = {"eps": (0.05, 0.1), "limit": 60, "method": ("fgsm", "pgd"), "steps": 5, "device": "cpu"}
    several = attack.run(AttackConfig(trust_code=True, model=str(lone), **options))
    single = attack.run(AttackConfig(trust_code=True, model=code, **options))
    for eps in (0.05, 0.1):
        (alone,) = (one for one in single.rows if one.eps == eps)
        (mean,) = (one for one in several.rows if (one.eps, one.classifier, one.threat) == (eps, "mean rule", "white-box"))
        assert (mean.clean, mean.adversarial) == (alone.clean, alone.adversarial)
    assert [(one.method, one.adversarial) for one in several.by_method] == [
        (one.method, one.adversarial) for one in single.by_method
    ]


def test_the_checks_look_at_a_lone_ensemble_too(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        "from torch import nn\ndef deaf(classes): return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))"
    )
    torch.manual_seed(0)
    for k in range(2):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        put(member_folder(tmp_path / "e", k), model, spec=f"{tmp_path / 'nets.py'}:deaf")
    save_ensemble_metadata(tmp_path / "e", 2, "mean")
    result = attack.run(AttackConfig(trust_code=True, model=str(tmp_path / "e"), eps=(0.1,), limit=100, device="cpu"))
    assert "clean accuracy at chance" in [one.check for one in result.findings]


def test_a_surrogate_is_the_baseline_of_a_saved_ensemble_and_of_one_trained_here(tmp_path: Path, lone: Path) -> None:
    outside = put(tmp_path / "outside", fitted("baseline"))
    own = attack.run(replace(SHORT, model=str(ensemble(tmp_path / "e")), ensemble="max"))
    named = attack.run(replace(SHORT, model=str(tmp_path / "e"), ensemble="max", surrogate=str(outside), epochs=None))
    here = attack.run(replace(SHORT, ensemble="max", members=3, surrogate=str(outside)))
    assert named.rows == own.rows == here.rows
    assert (named.trained, named.reused) == (0, 0) and (here.trained, here.reused) == (0, 3)
    assert "The baseline is" in named.notes[0] and "The baseline is" in here.notes[0]
    assert {"transfer", "transfer-inside"} <= {
        one.threat for one in attack.run(replace(SHORT, model=str(lone), epochs=None, surrogate=str(outside))).rows
    }


def test_a_surrogate_with_its_outputs_in_another_order_is_the_same_baseline(tmp_path: Path) -> None:
    put(tmp_path / "a", fitted("baseline"))
    put(tmp_path / "b", reversed_outputs(fitted("baseline")), classes=tuple("9876543210"))
    config = replace(SHORT, ensemble="mean", members=3)
    one, other = (attack.run(replace(config, surrogate=str(tmp_path / name))) for name in "ab")
    for a, b in zip(one.rows, other.rows, strict=True):
        assert a.adversarial.value == pytest.approx(b.adversarial.value, abs=1.5 / 80)


def test_outputs_that_a_network_lacks_never_win_and_others_are_dropped() -> None:
    logits = torch.tensor([[1.0, 5.0, 2.0], [-3.0, -9.0, 0.0]])
    model = AlignedOutputs(nn.Identity(), ("cat", "dog", "eel"), ("eel", "fox", "cat"))
    found = model(logits)
    assert torch.equal(found[:, [0, 2]], logits[:, [2, 0]])
    assert found.argmax(1).tolist() == [0, 0] and bool((found.softmax(1)[:, 1] == 0).all())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"members": 3}, "`members`: .* has 3 members"),
        ({"target": "next"}, "`target` needs a single network"),
        ({"method": "transfer", "surrogate": "x.npz"}, "every ensemble has transfer rows"),
        ({"surrogate": "x.npz"}, "holds images, but the baseline must be a network"),
        ({"surrogate": "runs/none"}, "`surrogate`: runs/none is not a trained network"),
        ({"epochs": 3}, "`epochs`: .* is trained already"),
    ],
)
def test_what_does_not_go_with_a_saved_ensemble_is_refused(lone: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises((UsageError, InputError), match=said):
        attack.plan(AttackConfig(trust_code=True, model=str(lone), device="cpu", **options))


def test_a_plan_lists_what_is_opened_and_what_is_trained(tmp_path: Path) -> None:
    lines = attack.plan(replace(SHORT, model=str(ensemble(tmp_path))))
    assert lines[1].startswith("open 3 x digits-net (vote rule) as trained")
    assert lines[2].startswith("train digits-net for 2 epochs on cpu: baseline; any")
    assert "the baseline, and 3 members under every rule" in lines[3]
