"""Targeted attacks and minimum norms in `dlcli attack`, against small linear networks of which all is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.core.data import open_data
from dlcli.core.data.base import choose
from dlcli.engines import attack
from dlcli.engines.attack.targets import choose_targets
from dlcli.specs.attack import AttackConfig
from dlcli.support.errors import InputError, UsageError
from tests.engines.attack.test_networks import Fixed

CODE = """
from tests.engines.attack.test_networks import Fixed
def plain(classes): return Fixed(classes)
"""


@pytest.fixture
def code(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text(CODE)
    return f"{tmp_path / 'nets.py'}:plain"


def images(n: int, without: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    data = open_data("digits")
    places = np.flatnonzero(data.y_test.numpy() != without)
    picked = places[choose(data.y_test.numpy()[places], n)]
    return data.x_test[picked], data.y_test[picked]


def test_images_of_the_target_class_are_skipped_and_the_others_are_to_reach_it(tmp_path: Path, code: str) -> None:
    config = AttackConfig(model=code, target="3", eps=(0.0, 0.15), limit=90, save=tmp_path / "a.npz", device="cpu")
    result = attack.run(config)
    x, y = images(90, without=3)
    with np.load(tmp_path / "a.npz") as saved, torch.no_grad():
        assert np.array_equal(saved["y"], y.numpy()) and 3 not in saved["y"] and len(y) == 90
        for row in result.rows:
            said = Fixed(10)(torch.from_numpy(saved[f"x_{row.eps:g}"])).argmax(1)
            assert row.reached is not None and row.reached.value == pytest.approx(float((said == 3).float().mean()))
            assert row.adversarial.value == pytest.approx(float((said == y).float().mean()))
    out = int((open_data("digits").y_test == 3).sum())
    assert f"Skipped {out} test images of the target class 3" in result.notes[1]
    assert result.rows[1].reached.value > result.rows[0].reached.value
    assert "; target: class 3;" in result.threat_model
    assert [one.reached for one in result.by_method] == [one.reached for one in result.rows]


def test_one_step_towards_a_class_goes_down_the_loss_of_that_class(tmp_path: Path, code: str) -> None:
    """FGSM by hand: x - eps * the sign of the gradient of the cross-entropy to the target."""
    result = attack.run(AttackConfig(model=code, target="next", eps=(0.2,), limit=100, save=tmp_path / "a.npz", device="cpu"))
    x, y = images(100)
    x.requires_grad_(True)
    aim = (y + 1) % 10
    (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(Fixed(10)(x), aim, reduction="sum"), x)
    with torch.no_grad():
        reached = Fixed(10)((x - 0.2 * gradient.sign()).clamp(0, 1)).argmax(1) == aim
    assert result.headline.reached.value == pytest.approx(float(reached.float().mean()), abs=1.5 / 100)


def test_several_methods_reach_what_any_of_them_does(code: str) -> None:
    config = AttackConfig(model=code, target="next", method=("fgsm", "pgd"), steps=5, eps=(0.2,), limit=60, device="cpu")
    result = attack.run(config)
    assert len({one.reached for one in result.by_method}) == 2
    assert result.headline.reached.value >= max(one.reached.value for one in result.by_method)
    assert result.headline.reached.value <= sum(one.reached.value for one in result.by_method)
    assert not [one for one in result.findings if one.check == "weaker than fgsm"]


def test_without_a_target_nothing_is_reached(code: str) -> None:
    result = attack.run(AttackConfig(model=code, eps=(0.1,), limit=20, device="cpu"))
    assert result.headline.reached is None and "target" not in result.threat_model
    assert result.records()[0]["reached"] is None


@pytest.mark.parametrize("mode", ["random", "least-likely", "next", "7"])
def test_targets_are_never_the_label_and_follow_their_mode(mode: str) -> None:
    data = open_data("digits")
    output_of = torch.tensor([9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    label = data.y_test[data.y_test != 7] if mode == "7" else data.y_test
    logits = torch.randn(len(label), 12, generator=torch.Generator().manual_seed(0))  # two outputs are no class of the data
    found = choose_targets(mode, data, output_of[label], output_of, logits, torch.arange(len(label)), seed=1)
    assert bool((found != output_of[label]).all()) and bool((found < 10).all())
    for k in range(len(label)):
        others = [int(output_of[c]) for c in range(10) if c != int(label[k])]
        if mode == "next":
            assert int(found[k]) == int(output_of[(int(label[k]) + 1) % 10])
        elif mode == "7":
            assert int(found[k]) == 2
        elif mode == "least-likely":
            assert int(found[k]) == min(others, key=lambda one, row=k: float(logits[row, one]))
        else:
            assert int(found[k]) in others
    again = choose_targets(mode, data, output_of[label], output_of, logits, torch.arange(len(label)), seed=2)
    assert torch.equal(found, again) == (mode != "random")


def test_random_targets_are_each_other_class_as_often() -> None:
    data = open_data("digits")
    y = torch.zeros(9000, dtype=torch.int64)
    logits, places = torch.zeros(9000, 10), torch.arange(9000)
    found = choose_targets("random", data, y, torch.arange(10), logits, places, seed=0)
    part = choose_targets("random", data, y[:50], torch.arange(10), logits[:50], places[40:90], seed=0)
    assert torch.equal(part, found[40:90])
    counts = found.bincount(minlength=10)
    assert counts[0] == 0
    # Chi-squared of 8 degrees of freedom: above 26.1 once in a thousand.
    assert float(((counts[1:] - 1000) ** 2 / 1000).sum()) < 26.1


@pytest.mark.parametrize("method", [name for name in REGISTRY.names() if name != "transfer" and not load_attack(name).targeted])
def test_a_method_without_targets_is_refused_by_name(method: str, code: str) -> None:
    with pytest.raises(UsageError, match=f"`target`: {method} cannot be targeted"):
        attack.plan(
            AttackConfig(model=code, target="3", method=("pgd", method), norm=load_attack(method).norms[0], device="cpu")
        )


@pytest.mark.parametrize("target", ["10", "cat", "-1", "3.0"])
def test_an_unknown_class_is_refused(target: str, code: str) -> None:
    with pytest.raises(InputError, match="`target`: digits has no class"):
        attack.plan(AttackConfig(model=code, target=target, device="cpu"))


def test_a_target_goes_with_no_ensemble() -> None:
    with pytest.raises(UsageError, match="`target` needs a single network"):
        AttackConfig(target="3", ensemble="max")


@pytest.mark.parametrize("method", ["deepfool", "fmn", "fab"])
def test_quartiles_are_those_of_the_distances_to_the_nearest_boundary(method: str, code: str) -> None:
    """Of a linear network the distance in l2 is margin / ||difference of rows||, where no bound is in the way."""
    result = attack.run(AttackConfig(model=code, method=method, norm="l2", eps=(0.05, 0.3), limit=60, device="cpu"))
    x, y = images(60)
    net = Fixed(10)
    with torch.no_grad():
        logits = net(x)
        weights = net.net[1].weight
        gaps = logits[torch.arange(60), y][:, None] - logits
        away = gaps / (weights[y][:, None] - weights[None]).norm(dim=2)
        away[torch.arange(60), y] = torch.inf
        nearest = away.amin(1)[logits.argmax(1) == y].numpy()
    wanted = np.quantile(nearest, (0.25, 0.5, 0.75))
    for one in result.by_method:
        assert one.failed_images == 0
        # The bounds can only make a change longer; the attacks go a little past the boundary.
        found = np.array([quartile.value for quartile in one.norm_quartiles])
        assert np.all(found >= wanted * 0.999) and np.all(found <= wanted * 1.15)
        assert all(quartile.low < quartile.value < quartile.high for quartile in one.norm_quartiles)
    assert sum(note.startswith(f"Smallest perturbations by {method}: median") for note in result.notes) == 1


def test_a_method_with_a_budget_has_no_quartiles(code: str) -> None:
    (one,) = attack.run(AttackConfig(model=code, method="pgd", steps=2, eps=(0.1,), limit=10, device="cpu")).by_method
    assert one.norm_quartiles is None and one.failed_images is None


def test_images_that_no_change_fools_are_counted(tmp_path: Path) -> None:
    """A network that says 0 of all images cannot be fooled about those of class 0; the others are wrong as they are."""
    (tmp_path / "nets.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Zero(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return torch.cat([5 + 0 * x.flatten(1).sum(1, keepdim=True), torch.zeros(len(x), 9)], 1)\n"
        "def zero(classes): return Zero()\n"
    )
    config = AttackConfig(model=f"{tmp_path / 'nets.py'}:zero", method="fmn", steps=3, eps=(0.1,), limit=50, device="cpu")
    result = attack.run(config)
    zeros = int((images(50)[1] == 0).sum())
    assert (result.by_method[0].norm_quartiles, result.by_method[0].failed_images) == (None, zeros)
    assert f"none found; {zeros} images not fooled" in " ".join(result.notes)
