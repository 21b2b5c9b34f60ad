"""Attacks, surgery and networks by name, on objects of a program."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import dlcli
import dlcli.attacks
import dlcli.surgery
from dlcli.attacks import FGSM, PGD, AutoAttack
from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.core.surgery import SURGERY
from dlcli.models import LoadedFacts, load
from dlcli.surgery import elu, erase_relu, residual_scale


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4))


@pytest.fixture
def x() -> torch.Tensor:
    return torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(2))


def test_an_attack_tells_which_images_it_fooled(model: nn.Module, x: torch.Tensor):
    y = model(x).argmax(1)
    found = PGD(steps=5)(model.train(), x, y, eps=[0, 0.05, 0.3])
    assert model.training and not model._forward_hooks
    assert found.adversarial.shape == (3, *x.shape)
    for eps, images, success, distance in zip(found.eps, found.adversarial, found.success, found.distance, strict=True):
        assert torch.equal(success, model(images).argmax(1) != y)
        assert torch.equal(distance, (images - x).abs().flatten(1).amax(1))
        assert float(distance.max()) <= eps + 1e-6
    assert found.robust_accuracy == pytest.approx((1 - found.success.float().mean(1)).tolist())
    assert found.success.sum(1).tolist() == sorted(found.success.sum(1).tolist())
    assert not found.success[0].any() and found.success[2].any()
    single = PGD(steps=5)(model, x.numpy(), y.numpy(), eps=0.3)
    assert torch.equal(single.adversarial, found.adversarial[2])
    assert torch.equal(single.adversarial, load_attack("pgd").with_options(steps=5)(model, x, y, eps=0.3))
    assert isinstance(single.robust_accuracy, float)
    hits = [int(success.sum()) for success in found.success]
    assert f"of 12 images, {hits[0]} at eps 0, {hits[1]} at eps 0.05, {hits[2]} at eps 0.3 succeeded" in repr(found)


def test_an_attack_reaches_targets(model: nn.Module, x: torch.Tensor):
    y = model(x).argmax(1)
    targets = (y + 1) % 4
    found = PGD()(model, x, y, eps=0.5, targets=targets)
    assert torch.equal(found.success, model(found.adversarial).argmax(1) == targets)
    assert found.success.any()


def test_the_images_of_a_network_are_in_its_bounds(model: nn.Module):
    class Bytes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x / 255)

    pixels = torch.randint(0, 256, (8, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    y = model(pixels / 255).argmax(1)
    plain, scaled = FGSM()(model, pixels, y, eps=8 / 255), FGSM()(Bytes(), pixels, y, eps="8/255", bounds=(0, 255))
    assert torch.allclose(plain.adversarial, scaled.adversarial, atol=1e-6)
    with pytest.raises(ValueError, match="outside the bounds"):
        FGSM()(model, pixels.float(), y, eps=0.1)
    with pytest.raises(ValueError, match="`bounds`"):
        FGSM()(model, pixels, y, eps=0.1, bounds=(1, 1))


def test_every_attack_has_a_class():
    assert len(set(dir(dlcli.attacks))) == len(REGISTRY.names())
    assert {getattr(dlcli.attacks, name).entry.name for name in dir(dlcli.attacks)} == set(REGISTRY.names())
    assert AutoAttack.entry.name == "auto" and repr(PGD(steps=3)) == "PGD(steps=3)"
    with pytest.raises(ValueError, match="no setting `step`"):
        PGD(step=3)
    with pytest.raises(ImportError):
        from dlcli.attacks import NoSuch  # noqa: F401


class Residual(nn.Module):
    """A residual block that ends in a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(1, 1, 3, padding=1), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.conv(x) + x)


def test_surgery_changes_a_copy(model: nn.Module, x: torch.Tensor):
    block = Residual()
    assert torch.equal(erase_relu(block)(x), block.conv(x) + x)
    assert torch.equal(block(x), (block.conv(x) + x).relu())
    assert [type(one).__name__ for one in model] == ["Conv2d", "ReLU", "Flatten", "Linear"]
    changed = elu(model, sample=x[:1])
    assert any(isinstance(one, nn.ELU) for one in changed.modules())
    assert not any(isinstance(one, nn.ReLU) for one in changed.modules())
    assert torch.equal(changed[0].weight, model[0].weight)
    assert set(dir(dlcli.surgery)) == {name.replace("-", "_") for name in SURGERY.names()}
    with pytest.raises(ValueError):
        residual_scale(model, -1.0, sample=x[:1])
    with pytest.raises(ImportError):
        from dlcli.surgery import no_such  # noqa: F401


def test_a_run_is_loaded_with_what_it_was_made_for(tmp_path: Path):
    generator = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = generator.random((60, 1, 8, 8), dtype=np.float32) / 2 + (y[:, None, None, None] / 6).astype(np.float32)
    dlcli.train("digits-net", (x, y), epochs=1, normalise="0.5/0.5", output=tmp_path / "run")
    network = load(tmp_path / "run")
    facts = network.loaded
    assert isinstance(facts, LoadedFacts)
    assert (facts.classes, facts.input_shape, facts.normalise) == (("0", "1", "2"), (1, 8, 8), "0.5/0.5")
    by_path, by_object = (dlcli.predict(one, x, top=1).table.rows for one in (tmp_path / "run", network))
    assert by_path == by_object
    with torch.no_grad():
        assert [row[1] for row in by_path] == [facts.classes[k] for k in network(torch.tensor(x)).argmax(1)]
    assert dlcli.evaluate(network, (x, y)).metrics == dlcli.evaluate(tmp_path / "run", {"test": (x, y)}).metrics


def test_networks_are_built_by_name(tmp_path: Path):
    first, second = (load("lenet", channels=1, size=28, classes=7, seed=3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert first(torch.zeros(1, 1, 28, 28)).shape == (1, 7)
    torch.save(first.state_dict(), tmp_path / "weights.pt")
    again = load(tmp_path / "weights.pt", arch="lenet", channels=1, size=28)
    assert torch.equal(again(torch.ones(1, 1, 28, 28)), first(torch.ones(1, 1, 28, 28)))
    with pytest.raises(ValueError, match="`classes`"):
        load("lenet")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "no" / "such")
