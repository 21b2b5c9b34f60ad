"""The second feed: every image in turn, the supervised part untouched, parts that add up, and stops after any step."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcli.core.compute import batches
from dlcli.core.semi_supervised.base import SemiBatch, SemiLosses, SemiSettings, SemiSupervised
from dlcli.core.semi_supervised.methods import SEMI_SUPERVISED
from dlcli.core.semi_supervised.training import SemiTraining, running_statistics_kept
from dlcli.core.training.augment import augmentation
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT

CPU = torch.device("cpu")
METHODS = SEMI_SUPERVISED.names()


def network(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 3))


def images(n: int, seed: int) -> torch.Tensor:
    return torch.rand(n, 1, 6, 6, generator=torch.Generator().manual_seed(seed))


def recipe(**changes: object) -> Recipe:
    settings = {"epochs": 2, "batch_size": 4, "optimizer": "adam", "lr": 1e-2, "dtype": "float32", "threads": 1, "steps": 4}
    return Recipe(**{**settings, **changes})


def opened(
    method: SemiSupervised, how: Recipe | None = None, *, model: nn.Module | None = None, ratio: int = 2
) -> SemiTraining:
    return SemiTraining(
        model or network(),
        images(9, 0),
        torch.arange(9) % 3,
        how or recipe(ema=0.9 if method.needs_average else 0.0),
        method=method,
        unlabelled=images(10, 1),
        classes=3,
        ratio=ratio,
        seed=5,
        device=CPU,
        hooks=Hooks(augment=augmentation(("shift",), (6, 6))),
    )


def of(name: str, **settings: object) -> SemiSupervised:
    found: SemiSupervised = SEMI_SUPERVISED.module(name).method(SemiSettings(**settings))
    return found


def run(training: Training) -> dict[str, torch.Tensor]:
    with SILENT.task("", 1) as task:
        while not training.done:
            training.run_epoch(task)
    return training.state()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@dataclass(frozen=True)
class Seeing(SemiSupervised):
    """Keeps the images that it is given."""

    seen: list[torch.Tensor]

    def losses(self, batch: SemiBatch) -> SemiLosses:
        self.seen.append(batch.views)
        return SemiLosses(batch.supervised, batch.net(batch.views[:, 0]).mean())

    @property
    def shown(self) -> str:
        return ""


def test_each_pass_takes_every_unlabelled_image_once():
    method, pool = Seeing([]), images(10, 1)
    plain = SemiTraining(
        network(),
        images(9, 0),
        torch.arange(9) % 3,
        recipe(),
        method=method,
        unlabelled=pool,
        classes=3,
        ratio=2,
        seed=5,
        device=CPU,
        hooks=Hooks(),
    )
    run(plain)
    assert [len(views) for views in method.seen] == [6] * 8  # batches of 3 of the 9 labelled images, and twice as many others
    rows = [next(k for k, image in enumerate(pool) if torch.equal(image, view[0])) for views in method.seen for view in views]
    for start in range(0, 40, 10):
        assert sorted(rows[start : start + 10]) == list(range(10))
    assert rows[:10] != rows[10:20]


def test_with_a_weight_of_zero_training_is_supervised_to_the_bit():
    x, y = images(9, 0), torch.arange(9) % 3
    hooks = Hooks(augment=augmentation(("shift",), (6, 6)))
    supervised = run(Training(network(), x, y, recipe(), seed=5, device=CPU, hooks=hooks))
    for name in ("fixmatch", "entropy", "pseudo-label"):
        assert equal(run(opened(of(name, weight=0.0))), supervised)
        assert not equal(run(opened(of(name, **({"threshold": 0.0} if name == "fixmatch" else {})))), supervised)


@pytest.mark.parametrize("name", METHODS)
def test_a_training_that_is_stopped_after_any_step_ends_in_the_same_bits(name: str):
    method = of(name)
    whole = run(opened(method, model=network(0.3)))
    for after in range(1, 8):
        second = opened(method, model=network(0.3))
        second.load(stopped(method, after).state())
        assert equal(run(second), whole)


def stopped(method: SemiSupervised, after: int) -> SemiTraining:
    """A training that has done a number of steps."""
    training, steps = opened(method, model=network(0.3)), iter(range(1, 100))
    with SILENT.task("", 1) as task:
        while training.epoch * 4 + training.step < after:
            training.run_epoch(task, lambda: next(steps) >= after)
    return training


@pytest.mark.parametrize("name", METHODS)
def test_it_trains_the_network_and_what_it_brings_along(name: str):
    training = opened(of(name, weight=1.0, threshold=0.0))
    before = {key: value.clone() for key, value in training.state().items()}
    after = run(training)
    trained = [key for key in before if key.startswith(("model.", "networks.")) and before[key].is_floating_point()]
    assert trained and all(after[key].isfinite().all() for key in trained)
    assert not [key for key in trained if torch.equal(before[key], after[key])]


def test_parts_of_a_batch_add_up_to_its_gradient():
    def gradients(parts: int) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3)).double()
        training = SemiTraining(
            model,
            images(9, 0).double(),
            torch.arange(9) % 3,
            recipe(batch_size=9),
            method=of("entropy"),
            unlabelled=images(10, 1).double(),
            classes=3,
            ratio=1,
            seed=5,
            device=CPU,
            hooks=Hooks(),
        )
        training.gradients.parts = parts
        x, y, views = images(9, 0).double(), torch.arange(9) % 3, images(10, 1).double()[:, None]
        training.gradients.backward(lambda: (x, y, views), 9)
        return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]

    for one, other in zip(gradients(1), gradients(4), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)  # logits are float32


def test_running_statistics_stay_and_batch_statistics_count():
    model, x = network().train(), images(8, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with running_statistics_kept(model):
        found = model(x)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    torch.testing.assert_close(found, model(x), rtol=0, atol=0)
    assert not torch.equal(model.state_dict()["2.running_mean"], before["2.running_mean"])


def views(*kinds: torch.Tensor) -> torch.Tensor:
    return torch.stack(kinds, 1)


def batch(net, shown: torch.Tensor, **changes: object) -> SemiBatch:
    settings = {"supervised": torch.tensor(2.0), "x": images(2, 0), "y": torch.tensor([0, 1]), "views": shown, "net": net}
    settings |= {"average": net, "networks": None, "done": 10, "total": 10}
    return SemiBatch(**{**settings, **changes})


def by_pixels(x: torch.Tensor) -> torch.Tensor:
    """Three logits that are pixels."""
    return 9 * x.flatten(1)[:, :3]


def test_fixmatch_is_its_formula():
    weak, strong = images(7, 1), images(7, 2)
    found = of("fixmatch", weight=2.0, threshold=0.9).losses(batch(by_pixels, views(weak, strong)))
    expected, sure = 0.0, 0
    for one, other in zip(by_pixels(weak).double(), by_pixels(strong).double(), strict=True):
        p = one.exp() / one.exp().sum()
        if p.max() >= 0.9:
            sure += 1
            expected -= float(other[p.argmax()] - other.exp().sum().log())
    assert 0 < sure < 7
    assert float(found.labelled) == 2.0 and float(found.unlabelled) == pytest.approx(2 * expected / 7, rel=1e-5)


def test_pseudo_labels_entropy_and_agreement_are_their_formulas():
    shown = views(images(7, 1), images(7, 2))
    p, q = (by_pixels(shown[:, k]).double().softmax(1) for k in (0, 1))
    at = batch(by_pixels, shown)
    entropy = float(of("entropy", weight=0.5).losses(at).unlabelled)
    assert entropy == pytest.approx(float(-0.5 * (p * p.log()).sum(1).mean()), rel=1e-5)
    assert float(of("pseudo-label").losses(at).unlabelled) == pytest.approx(float(-3 * p.max(1).values.log().mean()), rel=1e-5)
    assert float(of("mean-teacher").losses(at).unlabelled) == pytest.approx(float(50 * F.mse_loss(p, q)), rel=1e-5)


@pytest.mark.parametrize(("done", "share"), [(0, 0), (10, 0), (35, 0.5), (60, 1), (99, 1)])
def test_the_weight_of_pseudo_labels_rises(done: int, share: float):
    shown = views(images(7, 1))
    whole = float(of("pseudo-label").losses(batch(by_pixels, shown, done=99, total=100)).unlabelled)
    found = float(of("pseudo-label").losses(batch(by_pixels, shown, done=done, total=100)).unlabelled)
    assert found == pytest.approx(share * whole, rel=1e-6)


def test_out_of_memory_splits_the_step(monkeypatch: pytest.MonkeyPatch):
    training = opened(of("fixmatch", threshold=0.0), model=nn.Sequential(nn.Flatten(), nn.Linear(36, 3)))
    real, calls = batches.if_it_fits, []

    def failing_once(attempt, *args, **others):
        calls.append(training.gradients.parts)
        return None if len(calls) == 1 else real(attempt, *args, **others)

    monkeypatch.setattr("dlcli.core.training.batch_gradients.if_it_fits", failing_once)
    run(training)
    assert calls[:2] == [1, 2] and training.gradients.parts == 2
