"""The training loop against hand-written steps and torch's optimizers; resuming, memory and precision."""

from math import inf

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.rng import generator
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.training import hooks as hooks_module
from dlcli.core.training import recipe as recipe_module
from dlcli.core.training.augment import Augmentation, augmentation
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.loop import Training, train
from dlcli.core.training.random_change import RandomChange
from dlcli.core.training.recipe import Recipe, steps_per_epoch
from dlcli.support.errors import NumericError, ResourceError, UsageError
from dlcli.support.seeds import derive

CPU = torch.device("cpu")


class Counter:
    """A task that remembers."""

    def __init__(self):
        self.steps, self.status = 0, []

    def advance(self, steps=1):
        self.steps += steps

    def set_status(self, text):
        self.status.append(text)


def _network(dropout=0.0):
    torch.manual_seed(3)
    # Two convolutions, for the memory layout of the first one's weights is the same whichever is asked for.
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Dropout(dropout), nn.Linear(4 * 16, 3)
    )


def _examples(n=50):
    source = generator(1)
    return torch.rand(n, 1, 6, 6, generator=source), torch.randint(3, (n,), generator=source)


def _recipe(**changes):
    return Recipe(**{"epochs": 3, "batch_size": 16, "optimizer": "sgd", "lr": 0.1, "dtype": "float32", "threads": 1, **changes})


def _train(recipe, model=None, seed=0, examples=None, **options):
    model, (x, y) = model or _network(), examples or _examples()
    loss = train(model, x, y, recipe, seed=seed, device=CPU, task=options.pop("task", Counter()), **options)
    return model, loss


def _batches(n, batch_size, epochs, seed):
    order = generator(derive(seed, "order"))
    return [list(torch.randperm(n, generator=order).tensor_split(-(-n // batch_size))) for _ in range(epochs)]


def test_sgd_is_w_minus_lr_times_gradient():
    recipe, by_hand, (x, y) = _recipe(), _network(), _examples()
    for batches in _batches(50, 16, 3, seed=0):
        losses = []
        for batch in batches:
            loss = F.cross_entropy(by_hand(x[batch]), y[batch])
            losses.append(loss.item())
            gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
            with torch.no_grad():
                for weight, gradient in zip(by_hand.parameters(), gradients, strict=True):
                    weight -= 0.1 * gradient
    task = Counter()
    model, loss = _train(recipe, task=task)
    for found, expected in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert loss == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert len(task.status) == 3
    assert task.status[-1] == f"epoch 3/3, loss {loss:.4f}"


@pytest.mark.parametrize(
    ("name", "peer", "options"),
    [
        ("sgd", torch.optim.SGD, {"momentum": 0.9}),
        ("adam", torch.optim.Adam, {}),
        ("adamw", torch.optim.AdamW, {"weight_decay": 0.1}),
        ("adadelta", torch.optim.Adadelta, {"rho": 0.95}),
    ],
)
def test_optimizers_and_schedule_match_torch(name, peer, options):
    recipe = _recipe(optimizer=name, lr=0.02, options=options, schedule="cosine")
    reference, (x, y) = _network(), _examples()
    optimizer = peer(reference.parameters(), lr=0.02, **options)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3 * 4)
    for batch in sum(_batches(50, 16, 3, seed=0), []):
        optimizer.zero_grad()
        F.cross_entropy(reference(x[batch]), y[batch]).backward()
        optimizer.step()
        schedule.step()
    model, _ = _train(recipe)
    for found, expected in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@given(n=st.integers(1, 300), batch_size=st.integers(1, 64))
@settings(max_examples=30, deadline=None)
def test_every_epoch_uses_each_example_once_in_batches_of_even_size(n, batch_size):
    sizes, rows = [], []

    class Spy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 2)

        def forward(self, x):
            sizes.append(len(x))
            rows.extend(x.flatten().tolist())
            return self.layer(x.flatten(1))

    x = torch.arange(n, dtype=torch.float32).view(n, 1, 1, 1)
    task = Counter()
    recipe = _recipe(epochs=2, batch_size=batch_size, lr=1e-9)
    _train(recipe, Spy(), examples=(x, torch.zeros(n, dtype=torch.int64)), task=task)
    assert sorted(rows[:n]) == sorted(rows[n:]) == x.flatten().tolist()
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert task.steps == len(sizes) == 2 * steps_per_epoch(n, batch_size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_same_seed_gives_the_same_bits_with_dropout(dtype):
    digests = []
    for noise in range(2):
        torch.manual_seed(noise)  # what happened before must not matter
        torch.rand(noise)
        digests.append(weights_sha256(_train(_recipe(), _network(0.5), dtype=dtype)[0]))
    assert digests[0] == digests[1]
    assert weights_sha256(_train(_recipe(), _network(0.5), seed=1, dtype=dtype)[0]) != digests[0]


def test_the_global_random_state_and_thread_count_do_not_change():
    before, count = torch.get_rng_state(), torch.get_num_threads()
    model = _network(0.5)
    state = torch.get_rng_state()
    _train(_recipe(threads=1), model)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == count
    torch.set_rng_state(before)


def test_dropout_depends_on_the_seed():
    one, recipe = _examples(1), _recipe(epochs=1)  # one example has no order: only dropout is left to differ
    assert len({weights_sha256(_train(recipe, _network(0.5), seed=seed, examples=one)[0]) for seed in range(3)}) == 3


def test_weights_stay_contiguous_float32_when_bfloat16_is_used():
    seen = set()
    model = _network()
    model[1] = nn.Conv2d(4, 4, 3, padding=1)  # with one channel the layouts are the same
    model[0].register_forward_hook(lambda _module, _inputs, output: seen.add(output.dtype))
    _train(_recipe(), model, dtype=torch.bfloat16)
    assert seen == {torch.bfloat16}
    assert all(weight.dtype == torch.float32 and weight.is_contiguous() for weight in model.parameters())
    predict_logits(model, _examples()[0], device=CPU)
    assert seen == {torch.bfloat16, torch.float32}


@pytest.mark.parametrize(("asked", "expected"), [("float32", torch.float32), ("fast", torch.float16)])
def test_the_recipe_sets_the_precision(monkeypatch, asked, expected):
    monkeypatch.setattr(recipe_module, "fast_dtype", lambda device: torch.float16)
    assert recipe_module.resolve_dtype(_recipe(dtype=asked), CPU) == expected


def test_the_recipe_uses_at_most_the_threads_of_torch(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert [recipe_module.resolve_threads(_recipe(threads=n)) for n in (None, 1, 4, 8)] == [4, 1, 4, 4]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_training_learns(dtype):
    x = torch.rand(200, 1, 6, 6, generator=generator(4))
    y = (x[:, 0, :, :3].sum((1, 2)) > x[:, 0, :, 3:].sum((1, 2))).long()
    model, loss = _train(_recipe(optimizer="adam", lr=0.01, epochs=40), examples=(x, y), dtype=dtype)
    right = (predict_logits(model, x, device=CPU).argmax(1) == y).float().mean()
    assert right > 0.9  # the rule is linear, so a network that learns at all gets there
    assert loss < 0.69  # log 2, what guessing costs


def test_the_error_for_a_non_finite_loss_names_the_step():
    x, y = _examples()
    bad = int(_batches(50, 16, 1, seed=0)[0][2][0])  # in the third batch
    x[bad] = inf
    with pytest.raises(
        NumericError, match=r"epoch 1, step 3 of 4, learning rate 0\.1; the largest gradient until then is [0-9.]+$"
    ) as caught:
        _train(_recipe(), examples=(x, y))
    assert "learning rate" in caught.value.hint


def test_non_finite_weights_after_the_last_step_are_an_error():
    with pytest.raises(NumericError, match="epoch 1, step 1 of 1"):
        _train(_recipe(epochs=1, batch_size=50, lr=3e38), examples=(_examples()[0] * 1000, _examples()[1]))


def test_batch_norm_trains_when_one_example_remains():
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    _train(_recipe(), model, examples=_examples(33))


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "lion"},
        {"schedule": "steps"},
        {"dtype": "half"},
        {"epochs": 0},
        {"batch_size": 0},
        {"lr": 0},
        {"lr": float("nan")},
    ],
)
def test_invalid_recipes_are_usage_errors(changes):
    with pytest.raises(UsageError, match="recipe"):
        _recipe(**changes)


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_predictions_match_the_plain_forward_pass(batch_size):
    model, (x, _) = _network(0.5), _examples()
    with torch.no_grad():
        expected = model.eval()(x)
    found = predict_logits(model.train(), x, device=CPU, batch_size=batch_size)
    torch.testing.assert_close(found, expected)
    assert found.dtype == torch.float32
    assert not found.requires_grad


def _interrupted(recipe, stops, dropout=0.5, hooks=None):
    """Train, and at each step in `stops` put the state away and go on with a new network in a new Training."""

    def fresh():
        return Training(_network(dropout), *_examples(), recipe, seed=5, device=CPU, hooks=hooks)

    training, stops = fresh(), list(stops)
    while not training.done:
        at = stops[0] if stops else None
        before = training.epoch * len(training.losses)
        training.run_epoch(Counter(), stop=lambda: at == before + training.step)  # noqa: B023
        if at is not None and training.epoch * len(training.losses) + training.step >= at:
            stops.pop(0)
            state = training.state()
            torch.manual_seed(at)  # another process has another random state
            training = fresh()
            training.load(state)
    training.finish()
    return weights_sha256(training.model)


@pytest.mark.parametrize(
    "changes", [{}, {"optimizer": "adam", "schedule": "cosine", "ema": 0.9}, {"options": {"momentum": 0.9}}]
)
@given(stops=st.sets(st.integers(1, 11), max_size=4).map(sorted))
@settings(max_examples=15, deadline=None)
def test_resuming_after_any_step_gives_the_same_bits(changes, stops):
    recipe = _recipe(**changes)
    assert _interrupted(recipe, stops) == _interrupted(recipe, [])


def test_resuming_continues_augmentation_and_adversarial_examples():
    shake = RandomChange(
        draw=lambda shape, source: torch.rand(shape, generator=source),
        apply=lambda x, noise: (x + 0.1 * noise).clamp(0, 1),
    )

    def push(model, x, y, seed, most):
        assert len(x) <= most
        return (x + 0.1 * torch.rand(x.shape, generator=generator(seed))).clamp(0, 1)

    hooks = Hooks(augment=Augmentation((shake,)), examples=push)
    assert (
        _interrupted(_recipe(), [2, 7], hooks=hooks) == _interrupted(_recipe(), [], hooks=hooks) != _interrupted(_recipe(), [])
    )


class Small(nn.Module):
    """Stands for a device that holds `room` images: more at once raise what torch raises when memory runs out."""

    def __init__(self, model, room):
        super().__init__()
        self.model, self.room, self.refused = model, room, 0

    def forward(self, x):
        if len(x) > self.room:
            self.refused += 1
            raise torch.OutOfMemoryError(f"no memory for {len(x)} images")
        return self.model(x)


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 5.0])])
@given(room=st.integers(1, 20), smoothing=st.sampled_from([0.0, 0.1]))
@settings(max_examples=12, deadline=None)
def test_accumulated_gradients_match_the_whole_batch(weights, room, smoothing):
    recipe, hooks = _recipe(label_smoothing=smoothing), Hooks(class_weights=weights)
    nets = _network(), Small(_network(), room)
    for net in nets:
        training = Training(net, *_examples(), recipe, seed=0, device=CPU, hooks=hooks)
        while not training.done:
            training.run_epoch(Counter())
    parts = next(p for p in (1, 2, 4, 8, 16) if -(-13 // p) <= room)  # 50 examples in batches of 13, 13, 12, 12
    assert training.gradients.parts == parts
    assert nets[1].refused == parts.bit_length() - 1  # not tried again once it is known
    for found, expected in zip(nets[1].parameters(), nets[0].parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_failed_attempt_uses_up_no_dropout_draws():
    """Random numbers drawn before the memory ran out are drawn again: the third of three tries is as if it were the first."""
    drawn = []

    class Draws(Small):
        def forward(self, x):
            drawn.append(float(torch.rand(())))
            return super().forward(x)

    training = Training(Draws(_network(), 4), *_examples(), _recipe(), seed=0, device=CPU)
    training.run_epoch(Counter(), stop=lambda: True)
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(set(drawn)) == len(drawn) - 2


@pytest.mark.parametrize("ahead", [1, 2, 64])
def test_a_failed_attempt_changes_the_images_as_before(ahead, monkeypatch):
    """And it does not matter for how many steps the changes are drawn at once."""
    monkeypatch.setattr(hooks_module, "_DRAWN_AHEAD", ahead)
    seen, hooks = [], Hooks(augment=augmentation(["crop", "rotate", "blur"], (6, 6)))

    class Sees(Small):
        def forward(self, x):
            seen.append(x.clone())
            return super().forward(x)

    training = Training(Sees(_network(), 7), *_examples(), _recipe(), seed=0, device=CPU, hooks=hooks)
    training.run_epoch(Counter())
    assert torch.equal(seen[0], torch.cat(seen[1:3]))
    expected = [
        hooks.augment(_examples()[0][picked], generator(derive(0, "augment", step)))
        for step, picked in enumerate(_batches(50, 16, 1, seed=0)[0])
    ]
    assert torch.equal(torch.cat(seen[1:]), torch.cat(expected))


def test_no_memory_for_one_image_is_a_resource_error():
    training = Training(Small(_network(), 0), *_examples(), _recipe(), seed=0, device=CPU)
    with pytest.raises(ResourceError, match="memory"):
        training.run_epoch(Counter())


def test_resuming_keeps_the_number_of_parts():
    def fresh():
        return Training(Small(_network(0.5), 5), *_examples(), _recipe(), seed=0, device=CPU)

    first, whole = fresh(), fresh()
    first.run_epoch(Counter(), stop=lambda: first.step == 2)
    second = fresh()
    second.load(first.state())
    assert second.gradients.parts == first.gradients.parts == 4
    for training in (second, whole):
        while not training.done:
            training.run_epoch(Counter())
    assert weights_sha256(second.model) == weights_sha256(whole.model)
    assert second.model.refused == 0


def test_bytes_train_like_the_equal_floats():
    x, y = _examples()
    levels = (x * 255).round().to(torch.uint8)
    nets = _network(0.5), _network(0.5)
    for net, images in zip(nets, (levels, levels.float() / 255), strict=True):
        train(net, images, y, _recipe(), seed=0, device=CPU, task=Counter())
    assert weights_sha256(nets[0]) == weights_sha256(nets[1])
    assert torch.equal(predict_logits(nets[0], levels, device=CPU), predict_logits(nets[1], levels.float() / 255, device=CPU))


def test_loading_the_state_of_another_network_is_an_error():
    training = Training(_network(), *_examples(), _recipe(), seed=0, device=CPU)
    other = Training(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)), *_examples(), _recipe(), seed=0, device=CPU)
    with pytest.raises((KeyError, RuntimeError)):
        training.load(other.state())


SPOILED = {
    "missing": lambda value: None,
    "empty": lambda value: torch.zeros(0, dtype=value.dtype),
    "of another shape": lambda value: torch.zeros(3, 5, 7, dtype=value.dtype),
    "of another type": lambda value: value.to(torch.int16),
}


@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize(
    ("optimizer", "options"),
    [("sgd", {"momentum": 0.9}), ("adam", {}), ("adamw", {}), ("adadelta", {})],
    ids=str,
)
def test_a_state_with_a_spoiled_entry_is_an_error_of_loading(optimizer: str, options: dict[str, float], spoil: str):
    def fresh() -> Training:
        recipe = _recipe(optimizer=optimizer, options=options, schedule="plateau", ema=0.9)
        return Training(_network(0.5), *_examples(), recipe, seed=0, device=CPU)

    first = fresh()
    first.run_epoch(Counter(), stop=lambda: first.step == 2)
    kept = first.state()
    for name, value in kept.items():
        if spoil == "missing" and name.endswith(".momentum_buffer"):
            continue  # as of a parameter that has had no gradient yet
        spoiled = SPOILED[spoil](value)
        state = {other: one for other, one in kept.items() if other != name} | ({} if spoiled is None else {name: spoiled})
        with pytest.raises((KeyError, RuntimeError)):
            fresh().load(state)
            pytest.fail(f"{name} was accepted")
    fresh().load(kept)


def test_a_state_of_no_generator_is_an_error_of_loading():
    training = Training(_network(), *_examples(), _recipe(), seed=0, device=CPU)
    state, before = training.state(), torch.get_rng_state()
    with pytest.raises(RuntimeError):
        training.load({**state, "random.cpu": torch.full_like(state["random.cpu"], 249)})
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("position", [(-1, 0, 1), (4, 0, 1), (0, -1, 1), (0, 5, 1), (0, 0, 0)])
def test_a_position_outside_the_training_is_an_error(position: tuple[int, int, int]):
    training = Training(_network(), *_examples(), _recipe(), seed=0, device=CPU)
    with pytest.raises(RuntimeError, match="position"):
        training.load({**training.state(), "position": torch.tensor(position)})


@pytest.mark.parametrize("name", ["optimizer.x.step", "optimizer.99.step", "optimizer..step", "optimizer.-1.step"])
def test_an_entry_of_no_parameter_is_an_error(name: str):
    training = Training(_network(), *_examples(), _recipe(), seed=0, device=CPU)
    with pytest.raises(KeyError):
        training.load({**training.state(), name: torch.tensor(1.0)})


def test_clipping_bounds_the_gradient_norm():
    """With SGD a step is lr times the gradient, so its length is at most lr times the bound, and just that when clipped."""
    model = _network()
    before = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
    _train(_recipe(epochs=1, batch_size=50, lr=1.0, clip_norm=1e-3), model)
    moved = nn.utils.parameters_to_vector(model.parameters()) - before
    assert moved.norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_averaged_weights_match_the_recursion_by_hand():
    recipe, by_hand = _recipe(epochs=1, ema=0.5), _network()
    average = [weight.detach().clone() for weight in by_hand.parameters()]
    for number, batch in enumerate(_batches(50, 16, 1, seed=0)[0]):
        loss = F.cross_entropy(by_hand(_examples()[0][batch]), _examples()[1][batch])
        gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
        decay = min(0.5, (1 + number) / (10 + number))
        with torch.no_grad():
            for kept, weight, gradient in zip(average, by_hand.parameters(), gradients, strict=True):
                weight -= 0.1 * gradient
                kept.copy_(decay * kept + (1 - decay) * weight)
    model, _ = _train(recipe)
    for found, expected in zip(model.parameters(), average, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("unused", [0, 4])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_class_weights_match_torch(unused, smoothing):
    """Outputs that stand for no class count as without weights: weights of 1 change nothing."""
    x, y = _examples()
    for weights in (torch.tensor([1.0, 2.0, 5.0]), torch.ones(3)):
        model = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 3 + unused))
        of_outputs = torch.cat([weights, torch.ones(unused)])
        expected = F.cross_entropy(model(x), y, weight=of_outputs, label_smoothing=smoothing).item()
        if weights.eq(1).all():
            assert expected == pytest.approx(F.cross_entropy(model(x), y, label_smoothing=smoothing).item(), rel=1e-5)
        recipe = _recipe(epochs=1, batch_size=50, label_smoothing=smoothing)
        training = Training(model, x, y, recipe, seed=0, device=CPU, hooks=Hooks(class_weights=weights))
        assert training.run_epoch(Counter()) == pytest.approx(expected, rel=1e-5)
