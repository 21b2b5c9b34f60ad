"""Networks trained stacked against the same networks trained alone by the plain loop."""

import copy
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dlcli.core.compute.rng import generator
from dlcli.core.ensembles import stacked
from dlcli.core.ensembles.stacked import StackedTraining, why_not_stackable
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.training.augment import augmentation
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import Recipe
from dlcli.support.errors import NumericError, ResourceError, UsageError
from dlcli.support.reporter import SILENT

CPU = torch.device("cpu")
SEEDS = (7, 8, 9)


def _mlp(dropout=0.0):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Tanh(), nn.Dropout(dropout), nn.Linear(6, 3))


def _lenet():
    """Two convolutions, for the memory layout of the first one's weights is the same whichever is asked for."""
    features = nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(16, 3))


def _normed():
    """No biases before the statistics: their gradient is 0 but for rounding, which Adam would make steps of."""
    features = nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(27, 5, bias=False), nn.BatchNorm1d(5), nn.Linear(5, 3))


class Tied(nn.Module):
    """One layer and one parameter under two names, a layer with the first's weights, and one that is not trained."""

    def __init__(self):
        super().__init__()
        self.first = self.again = nn.Linear(8, 8)
        self.tied = nn.Linear(8, 8)
        self.tied.weight = self.first.weight
        self.scale = self.alias = nn.Parameter(torch.rand(8))
        self.frozen = nn.Linear(8, 3).requires_grad_(False)

    def forward(self, x):
        return self.frozen(self.tied(self.again(torch.tanh(self.first(x[:, 0] * self.scale) * self.alias))).mean(1))


def _models(make, seeds=SEEDS):
    built = []
    for seed in seeds:
        torch.manual_seed(seed)
        built.append(make())
    return built


def _examples(n=40):
    source = generator(1)
    return torch.rand(n, 1, 8, 8, generator=source), torch.randint(3, (n,), generator=source)


def _draws(members=3):
    return [torch.randint(40, (23,), generator=generator(100 + member)) for member in range(members)]


def _recipe(**changes):
    return Recipe(**{"epochs": 3, "batch_size": 8, "optimizer": "sgd", "lr": 0.1, "dtype": "float32", "threads": 1, **changes})


def _stacked(models, recipe, *, seeds=SEEDS, draws=None, examples=None, **options):
    x, y = examples or _examples()
    draws = _draws(len(models)) if draws is None else draws
    return StackedTraining(models, x, y, recipe, draws=draws, seeds=seeds, device=CPU, **options)


def _epoch(training, **options):
    with SILENT.task("") as task:
        return training.run_epoch(task, **options)


def _run(training):
    losses = []
    while not training.done:
        losses.append(_epoch(training))
    training.finish()
    return losses


def _alone(model, recipe, seed, draw, hooks=None):
    x, y = _examples()
    training = Training(model, x[draw], y[draw], recipe, seed=seed, device=CPU, hooks=hooks)
    return _run(training)


def _assert_same(model, reference, tolerance=1e-5):
    assert list(model.state_dict()) == list(reference.state_dict())
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=tolerance, atol=tolerance)


MOMENTUM = {"options": {"momentum": 0.9, "weight_decay": 1e-3}}
WEIGHTS = torch.tensor([1.0, 2.0, 5.0])


@pytest.mark.parametrize("make", [_mlp, _lenet, _normed, Tied])
@pytest.mark.parametrize(
    "changes",
    [
        {**MOMENTUM, "schedule": "cosine"},
        {"optimizer": "adam", "lr": 0.01, "ema": 0.9, "label_smoothing": 0.1},
        {"optimizer": "adamw", "lr": 0.01, "clip_norm": 0.5},
        {"optimizer": "adadelta", "lr": 1.0, "schedule": "cosine"},
    ],
    ids=lambda changes: changes.get("optimizer", "sgd"),
)
def test_each_member_matches_the_network_trained_alone(make, changes):
    recipe, models, references = _recipe(**changes), _models(make), _models(make)
    losses = _run(_stacked(models, recipe))
    alone = [_alone(reference, recipe, seed, draw) for reference, seed, draw in zip(references, SEEDS, _draws(), strict=True)]
    for model, reference in zip(models, references, strict=True):
        _assert_same(model, reference)
        assert not any(module.training for module in model.modules())
        assert all(weight.is_contiguous() for weight in model.parameters())
    assert losses == pytest.approx(torch.tensor(alone).mean(0).tolist(), rel=1e-5)


@pytest.mark.parametrize("bound", [1e-3, 0.1, 1.0, 10.0])
def test_clipping_uses_the_norm_of_each_member(bound):
    """One member's gradient is a hundred times the others': common clipping would all but stop those."""
    recipe, models = _recipe(epochs=1, clip_norm=bound), _models(_mlp)
    with torch.no_grad():
        models[1][4].weight.mul_(100)
    references = copy.deepcopy(models)
    _run(_stacked(models, recipe))
    for model, reference, seed, draw in zip(models, references, SEEDS, _draws(), strict=True):
        _alone(reference, recipe, seed, draw)
        _assert_same(model, reference)


@pytest.mark.parametrize("make", [_lenet, lambda: nn.Sequential(_lenet(), nn.Linear(3, 7))], ids=["lenet", "unused outputs"])
def test_augmentation_class_weights_and_smoothing_match_training_alone(make):
    hooks = Hooks(augment=augmentation(["crop", "horizontal-flip"], (8, 8)), class_weights=WEIGHTS)
    recipe, models, references = _recipe(label_smoothing=0.2), _models(make), _models(make)
    losses = _run(_stacked(models, recipe, hooks=hooks))
    twice = zip(references, SEEDS, _draws(), strict=True)
    alone = [_alone(reference, recipe, seed, draw, hooks) for reference, seed, draw in twice]
    for model, reference in zip(models, references, strict=True):
        _assert_same(model, reference)
    assert losses == pytest.approx(torch.tensor(alone).mean(0).tolist(), rel=1e-5)


def test_losses_and_gradients_are_recorded_for_each_member():
    recipe, models, references = _recipe(epochs=1), _models(_lenet), _models(_lenet)
    training = _stacked(models, recipe)
    _run(training)
    x, y = _examples()
    for number, (reference, seed, draw) in enumerate(zip(references, SEEDS, _draws(), strict=True)):
        alone = Training(reference, x[draw], y[draw], recipe, seed=seed, device=CPU)
        _run(alone)
        torch.testing.assert_close(training.losses[:, number], alone.losses, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(training.largest[:, number], alone.largest, rtol=1e-4, atol=1e-6)


def test_bytes_train_like_the_equal_floats():
    x, y = _examples()
    levels = (x * 255).round().to(torch.uint8)
    nets = _models(_lenet), _models(_lenet)
    for models, images in zip(nets, (levels, levels.float() / 255), strict=True):
        _run(_stacked(models, _recipe(), examples=(images, y)))
    assert list(map(weights_sha256, nets[0])) == list(map(weights_sha256, nets[1]))


@given(others=st.lists(st.integers(10, 99), max_size=3), place=st.integers(0, 3))
@settings(max_examples=8, deadline=None)
def test_a_member_does_not_depend_on_the_other_members(others, place):
    seeds = [*others[:place], 5, *others[place:]]
    models, drawn = _models(_normed, seeds), [torch.randint(40, (23,), generator=generator(seed)) for seed in seeds]
    _run(_stacked(models, _recipe(**MOMENTUM), seeds=seeds, draws=drawn))
    (reference,) = _models(_normed, [5])
    _alone(reference, _recipe(**MOMENTUM), 5, torch.randint(40, (23,), generator=generator(5)))
    _assert_same(models[min(place, len(others))], reference)


def _two_equal_members(dropout):
    models = _models(partial(_mlp, dropout), [1, 1])
    _run(_stacked(models, _recipe(), seeds=[4, 4], draws=[_draws()[0]] * 2))
    return [nn.utils.parameters_to_vector(model.parameters()).detach() for model in models]


def test_equal_members_stay_equal_unless_dropout_is_used():
    left, right = _two_equal_members(0.0)
    torch.testing.assert_close(left, right, rtol=1e-6, atol=1e-7)
    left, right = _two_equal_members(0.5)
    assert float((left - right).abs().max()) > 1e-3


def test_dropout_depends_on_the_seeds():
    found = []
    for seeds in ([1, 2], [1, 2], [3, 4]):
        models = _models(partial(_mlp, 0.5), [0, 0])
        _run(_stacked(models, _recipe(), seeds=seeds, draws=[torch.tensor([0])] * 2))  # one example has no order
        found.append(list(map(weights_sha256, models)))
    assert found[0] == found[1]
    assert set(found[0]).isdisjoint(found[2])


def test_dropout_masks_are_independent_with_the_right_rate():
    models = [nn.Sequential(nn.Flatten(), nn.Dropout(0.25)) for _ in range(3)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        stack = stacked.StackedModel(models).train()
        first, second = (stack(torch.ones(100, 3, 4, 5, 5)) for _ in range(2))
    kept = (first != 0).float()
    # 10000 draws a member: the standard deviation of a share is 0.0043.
    torch.testing.assert_close(kept.mean((0, 2)), torch.full((3,), 0.75), rtol=0, atol=0.02)
    for left, right in ((kept[:, 0], kept[:, 1]), (kept[:, 1], kept[:, 2]), (kept, (second != 0).float())):
        assert float((left * right).mean()) == pytest.approx(0.75**2, abs=0.02)


def test_bfloat16_keeps_float32_weights_close_to_those_of_float32():
    nets = _models(_mlp), _models(_mlp)  # all of whose products autocast reaches
    for models, dtype in zip(nets, (torch.bfloat16, torch.float32), strict=True):
        training = _stacked(models, _recipe(epochs=1), dtype=dtype)
        _run(training)
        assert training.dtype == dtype
    for model, reference in zip(*nets, strict=True):
        _assert_same(model, reference, tolerance=0.02)
        assert all(weight.dtype == torch.float32 for weight in model.parameters())
        assert weights_sha256(model) != weights_sha256(reference)


def _interrupted(changes, stops):
    """Train, and at each step in `stops` put the state away and go on with new networks in a new training."""

    def fresh():
        def make():
            return nn.Sequential(*_normed(), nn.Dropout(0.5))

        return _stacked(_models(make), _recipe(**changes))

    training, stops = fresh(), list(stops)
    while not training.done:
        before = training.epoch * len(training.losses)
        _epoch(training, stop=lambda: bool(stops) and stops[0] == before + training.step)  # noqa: B023
        if stops and training.epoch * len(training.losses) + training.step >= stops[0]:
            torch.manual_seed(stops.pop(0))  # another process has another random state
            state = training.state()
            training = fresh()
            training.load(state)
    training.finish()
    return list(map(weights_sha256, training.members))


@pytest.mark.parametrize("changes", [MOMENTUM, {"optimizer": "adam", "schedule": "cosine", "ema": 0.9}])
@pytest.mark.parametrize("stops", [[1], [2, 3, 7], [4, 8]])
def test_resuming_after_any_step_gives_the_same_bits(changes, stops):
    assert _interrupted(changes, stops) == _interrupted(changes, [])


def test_loading_the_state_of_another_number_of_members_is_an_error():
    state = _stacked(_models(_mlp, [1]), _recipe(), seeds=[1]).state()
    with pytest.raises((KeyError, RuntimeError)):
        _stacked(_models(_mlp), _recipe()).load(state)


def test_final_weights_match_training_alone_and_training_continues():
    recipe, models, references = _recipe(epochs=2, ema=0.9), _models(_normed), _models(_normed)
    training = _stacked(models, recipe)
    x, y = _examples()
    alone = [
        Training(reference, x[draw], y[draw], recipe, seed=seed, device=CPU)
        for reference, seed, draw in zip(references, SEEDS, _draws(), strict=True)
    ]
    for one in (training, *alone):
        _epoch(one)
    with training.final_weights():
        for model, one in zip(models, alone, strict=True):
            with one.final_weights():
                _assert_same(model, one.model)
    for one in (training, *alone):
        _run(one)
    for model, reference in zip(models, references, strict=True):
        _assert_same(model, reference)


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_the_error_names_the_member_that_diverges(bad):
    x, y = _examples()
    x[39], draws = torch.inf, [torch.arange(23) + member for member in range(3)]
    draws[bad][5] = 39  # which is in no other draw
    with pytest.raises(NumericError) as caught:
        _epoch(_stacked(_models(_mlp), _recipe(), draws=draws, examples=(x, y)))
    alone = Training(_models(_mlp)[bad], x[draws[bad]], y[draws[bad]], _recipe(), seed=SEEDS[bad], device=CPU)
    with pytest.raises(NumericError) as expected:
        _epoch(alone)
    assert caught.value.message == expected.value.message.replace("training", f"training of member {bad + 1}", 1)


def test_the_error_names_the_member_with_non_finite_weights():
    """The gradient of a linear layer is at most the largest input: a step of 3e38 is finite for inputs up to 1 only."""
    x, y = _examples()
    x[30:] *= 1000
    draws = [torch.arange(9), torch.arange(31, 40), torch.arange(9) + 9]
    models = _models(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)))
    training = _stacked(models, _recipe(lr=3e38, batch_size=9), draws=draws, examples=(x, y), names=["a", "b", "c"])
    with pytest.raises(NumericError, match="^training of b diverged: .* epoch 1, step 1 of 1,"):
        _epoch(training)


class Small(nn.Module):
    """Stands for a device that holds `room` images: more at once raise what torch raises when memory runs out."""

    def __init__(self, room):
        super().__init__()
        self.room, self.layer = room, nn.Linear(64, 3)

    def forward(self, x):
        if len(x) > self.room:
            raise torch.OutOfMemoryError(f"no memory for {len(x)} images")
        return self.layer(x.flatten(1))


def test_several_members_without_memory_are_an_error_and_one_accumulates():
    training = _stacked(_models(partial(Small, 4)), _recipe())
    with pytest.raises(ResourceError, match="at once") as caught:
        _epoch(training)
    assert caught.value.hint == "use `strategy=processes`"
    (model,), (reference,) = _models(partial(Small, 4), [3]), _models(partial(Small, 99), [3])
    training = _stacked([model], _recipe(), seeds=[3])
    _run(training)
    _alone(reference, _recipe(), 3, _draws()[0])
    assert training.gradients.parts == 2
    _assert_same(model, reference)
    with pytest.raises(ResourceError):
        why_not_stackable(_models(partial(Small, 1)), _examples()[0])


def test_a_stack_that_does_not_fit_is_a_resource_error(monkeypatch):
    class Full:
        def __init__(self, models):
            raise torch.OutOfMemoryError("no memory for the weights")

    monkeypatch.setattr(stacked, "why_not_stackable", lambda models, sample: None)
    monkeypatch.setattr(stacked, "StackedModel", Full)
    with pytest.raises(ResourceError, match="at once"):
        _stacked(_models(_mlp), _recipe())


def test_adversarial_examples_are_a_usage_error():
    hooks = Hooks(examples=lambda model, x, y, seed, most: x)
    with pytest.raises(UsageError, match="one network at a time") as caught:
        _stacked(_models(_mlp), _recipe(), hooks=hooks)
    assert caught.value.hint == "use `strategy=processes`"


@pytest.mark.parametrize(
    ("seeds", "draws"), [(SEEDS[:2], _draws()), (SEEDS, _draws(2)), (SEEDS, [*_draws(2), torch.arange(5)])]
)
def test_members_draws_and_seeds_must_go_together(seeds, draws):
    with pytest.raises(ValueError, match="draws"):
        _stacked(_models(_mlp), _recipe(), seeds=seeds, draws=draws)


class Choosy(nn.Linear):
    def __init__(self, how):
        super().__init__(64, 3)
        self.how = how

    def forward(self, x):
        return self.how(super().forward(x.flatten(1)))


class Foreign(nn.Module):
    """Its output depends on a tensor that is neither a parameter nor a buffer."""

    def __init__(self):
        super().__init__()
        self.layer, self.mixing = nn.Linear(64, 3), torch.randn(3, 3)

    def forward(self, x):
        return self.layer(x.flatten(1)) @ self.mixing


def _conditional(x):
    return x if x.sum() > 0 else -x


def _scaled(x):
    return x * x.abs().max().item()


def _masked(x):
    return x[x[:, 0] > 0]


@pytest.mark.parametrize(
    ("makes", "reason"),
    [
        ([_mlp, _lenet], "different layers"),
        (
            [_mlp, lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.Tanh(), nn.Dropout(0.0), nn.Linear(5, 3))],
            "settings",
        ),
        ([_mlp, partial(_mlp, 0.5)], "layers '3' have different settings"),
        ([_mlp, lambda: _mlp().double()], "shape or kind"),
        ([_mlp, lambda: _mlp().requires_grad_(False)], "shape or kind"),
        ([Foreign, Foreign], "something else"),
        *(([partial(Choosy, how)] * 2, "values in a tensor") for how in (_conditional, _scaled, _masked)),
        ([partial(nn.BatchNorm2d, 1, momentum=None)] * 2, "logits"),
        ([lambda: nn.Sequential(nn.BatchNorm2d(1, momentum=None), nn.Flatten())] * 2, "values in a tensor"),
        ([lambda: nn.Sequential(nn.Flatten(), nn.Linear(9, 3))] * 2, "fail when stacked: [A-Z]"),
    ],
)
def test_the_error_names_why_networks_cannot_be_stacked(makes, reason):
    models = [make() for make in makes]
    assert why_not_stackable(models[:1] * 2, _examples()[0]) is None or makes[0] is makes[1]
    found = why_not_stackable(models, _examples()[0])
    assert found is not None
    with pytest.raises(UsageError, match=reason) as caught:
        _stacked(models, _recipe(), seeds=(1, 2))
    assert found in caught.value.message
    assert caught.value.hint == "use `strategy=processes`"


@pytest.mark.parametrize("n", [1, 2, 5])
def test_checking_whether_networks_can_be_stacked_changes_nothing(n):
    models = _models(lambda: nn.Sequential(_normed(), nn.Dropout(0.5)))
    models[0].eval()
    models[1][0][1].eval()
    before = [(copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]) for model in models]
    random = torch.get_rng_state()
    with torch.no_grad():
        assert why_not_stackable(models, _examples()[0][:n]) is None
    assert torch.equal(torch.get_rng_state(), random)
    for model, (weights, modes) in zip(models, before, strict=True):
        assert [module.training for module in model.modules()] == modes
        assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
        assert all(weight.grad is None for weight in model.parameters())


def test_the_models_do_not_change_before_finish():
    models = _models(_normed)
    before = list(map(weights_sha256, models))
    training = _stacked(models, _recipe())
    _epoch(training)
    assert list(map(weights_sha256, models)) == before
    _run(training)
    assert set(map(weights_sha256, models)).isdisjoint(before)
