"""Several networks of one architecture trained at once, as one network whose every weight has an axis more: the member.

A GPU is then as busy with small networks as with a large one. What `Training` does is done here by the same lines.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from dlcli.core.compute.batches import memory_error_context
from dlcli.core.compute.device import out_of_memory
from dlcli.core.compute.loader import to_float
from dlcli.core.compute.rng import preserved
from dlcli.core.ensembles.stacked_precision import reduced_throughout
from dlcli.core.objectives.cross_entropy import CrossEntropy
from dlcli.core.training.batch_gradients import BatchGradients
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import Recipe, resolve_dtype, steps_per_epoch
from dlcli.support.errors import UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.seeds import derive

_HINT = "use `strategy=processes`"
_ALIKE = 1e-2
"""How far logits may be off, as a share of the largest: TF32 keeps 10 bits. Those of another network are off by more."""
_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype)


class StackedModel(nn.Module):
    """`models` as one network of (n, members, ...) images, which gives logits (n, members, classes).

    Each member sees the images of its own, draws its own dropout and keeps its own statistics. `net` is a copy of the first
    whose parameters and buffers are those of all, stacked along a first axis; `models` are left alone.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = len(models)
        self.net = copy.deepcopy(models[0])
        each = [_tensors(model) for model in models]
        for name, tensor in _tensors(self.net).items():
            # Replace the data and keep the tensor object, so that weights shared between modules stay shared.
            tensor.data = torch.stack([tensors[name].detach() for tensors in each])

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        # vmap runs `_member` once, with every operation on the tensors of all members: a matrix product becomes a batched one.
        run = vmap(self._member, in_dims=(0, 1), out_dims=1, randomness="different")
        logits: Tensor = run(_slots(self.net), x)
        return logits

    def _member(self, tensors: dict[str, Tensor], x: Tensor) -> Tensor:
        # `_slots` names every tensor already; torch's own tying of weights would miss modules that have two names.
        logits: Tensor = functional_call(self.net, tensors, (x,), tie_weights=False)
        return logits


def _slots(net: nn.Module) -> dict[str, Tensor]:
    """Every place for a tensor: a module with two names once, a tensor in two modules twice."""
    slots: dict[str, Tensor] = {}
    for path, module in net.named_modules():
        here = chain(
            module.named_parameters(path, recurse=False, remove_duplicate=False),
            module.named_buffers(path, recurse=False, remove_duplicate=False),
        )
        slots.update(here)
    return slots


@torch.no_grad()
def _hand_out(stack: StackedModel, models: Sequence[nn.Module]) -> None:
    """Copy the weights and buffers of each member out of `stack`."""
    stacked = _tensors(stack.net)
    for number, model in enumerate(models):
        for name, tensor in _tensors(model).items():
            tensor.copy_(stacked[name][number])


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(chain(module.named_parameters(), module.named_buffers()))


class StackedGradients(BatchGradients):
    """The gradients of a `StackedModel`, each network's by its own loss; labels are (n, members)."""

    layout = torch.contiguous_format  # weights of convolutions have five axes here
    model: StackedModel

    def _with_room(self, attempt: Callable[[], Tensor], n: int) -> Tensor:
        # Accumulating over parts would make BatchNorm, and so a member's weights, depend on how many members are stacked.
        return super()._with_room(attempt, n if self.model.members == 1 else 1)

    def _loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if not isinstance(self.objective, CrossEntropy):
            raise TypeError("networks are stacked for classes only")
        weights, smoothing = self.objective.output_weights(outputs.shape[-1]), self.objective.label_smoothing
        # One loss per member. `_gradients` differentiates their sum; as the others' losses do not depend on a member's weights,
        # the gradient of the sum is that of its own loss.
        flat = outputs.flatten(0, 1), y.flatten()
        every = F.cross_entropy(*flat, weight=weights, label_smoothing=smoothing, reduction="none")
        return every.view_as(y).sum(0) / self.objective.weight(y)


class StackedTraining(Training):
    """Training of all `models`, in place, at once: each on the images and labels that its own entry of `draws` picks.

    `models` are of one architecture; `draws` are indices (n,) into `x` and `y`, as many for each member, and `seeds` the
    seeds. A member takes its examples, and their augmentation, in the order in which `Training` with its seed on what it
    drew would, and its gradients are its own, clipping included: its weights are those it would get alone but for rounding.
    Draws of dropout are independent between members, but others than alone, and depend on who else is stacked. All is
    float32 on a CPU, and wherever torch's autocast does not reach all that vmap runs there: never some layers of a network.

    `losses` and `largest` are (steps, members). Memory that does not suffice for the step of several members is a
    ResourceError: fewer at a time leave a step whole. `names` are what messages call the members ("member 1" ...).
    Raises UsageError for adversarial examples, and for models that `why_not_stackable` gives a reason against.
    """

    gradients_class = StackedGradients
    too_large: ClassVar[tuple[str, str]] = ("out of memory training these networks at once", _HINT)

    def __init__(
        self,
        models: Sequence[nn.Module],
        x: Tensor,
        y: Tensor,
        recipe: Recipe,
        *,
        draws: Sequence[Tensor],
        seeds: Sequence[int],
        device: torch.device,
        dtype: torch.dtype | None = None,
        hooks: Hooks | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self.members, self.draws, self.seeds = tuple(models), tuple(draws), tuple(seeds)
        self.names = tuple(names) or tuple(f"member {number + 1}" for number in range(len(models)))
        _check(self.members, self.draws, self.seeds, x, hooks)
        if recipe.weight_decay is not None:  # which parameters decay depends on their axes, of which there is one more here
            raise UsageError("weight decay of weights only is for one network at a time", hint=_HINT)
        with memory_error_context(*self.too_large):
            self._stack = StackedModel(self.members)
            seed = derive(self.seeds[0], "stacked", *self.seeds)  # for dropout alone: the rest goes by the members' seeds
            super().__init__(self._stack, x, y, recipe, seed=seed, device=device, dtype=dtype, hooks=hooks)
            record = torch.zeros(steps_per_epoch(len(draws[0]), recipe.batch_size), len(models), device=device)
            self.losses, self.largest = record, record.clone()

    def _precision(self, asked: torch.dtype | None, x: Tensor, model: nn.Module) -> torch.dtype:
        device = next(model.parameters()).device
        wanted = asked or (torch.float32 if device.type == "cpu" else resolve_dtype(self.recipe, device))
        if wanted == torch.float32:
            return wanted
        images = to_float(x).to(device).expand(2, *x.shape[1:])  # two, because BatchNorm cannot be trained on one
        sound = reduced_throughout(self._stack, torch.stack([images] * len(self.members), 1), wanted)
        return wanted if sound else torch.float32

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Training`."""
        device = self.feed.device
        if device.type == "cpu" or self.dtype == resolve_dtype(self.recipe, device):
            return super().notes
        return (*super().notes, "trained in float32: torch's autocast does not reach all layers of networks that are stacked")

    def _batches(self) -> tuple[Tensor, ...]:
        """The examples of each step, all members' first ones first."""
        # Interleaved, so that (n * members, ...) images as `Feed` loads them are (n, members, ...) without a copy.
        orders = [self._order(seed, len(draw)) for seed, draw in zip(self.seeds, self.draws, strict=True)]
        steps = zip(*orders, strict=True)
        return tuple(torch.stack([draw[at] for draw, at in zip(self.draws, step, strict=True)], 1).flatten() for step in steps)

    def _drawn_ahead(self, sizes: Sequence[int]) -> Iterable[Any]:
        own = [size // len(self.members) for size in sizes]
        return zip(*(self._drawn(seed, own) for seed in self.seeds), strict=True)

    def _one_step(self, x: Tensor, y: Tensor, drawn: Any) -> None:
        members = len(self.members)
        super()._one_step(x.view(-1, members, *x.shape[1:]), y.view(-1, members), drawn)

    def _prepared(self, x: Tensor, y: Tensor, drawn: Any) -> tuple[Tensor, Tensor]:
        if self.hooks.augment is None:
            return x, y
        each = zip(x.unbind(1), drawn, strict=True)
        return torch.stack([self.hooks.augment.apply(images, own) for images, own in each], 1), y

    def _largest(self, gradients: Sequence[Tensor]) -> Tensor:
        ends = [end for gradient in gradients for end in self._by_member(gradient).aminmax(dim=1)]
        return torch.stack(ends).abs().amax(0)

    def _clip(self, most: float) -> None:
        gradients = [self._by_member(weight.grad) for weight in self.model.parameters() if weight.grad is not None]
        norms = torch.stack([gradient.norm(dim=1) for gradient in gradients]).norm(dim=0)
        share = (most / (norms + 1e-6)).clamp(max=1.0)  # as `clip_grad_norm_` has it
        for gradient in gradients:
            gradient.mul_(share[:, None])

    def _by_member(self, tensor: Tensor) -> Tensor:
        """(members, values), in the same memory."""
        return tensor.view(len(self.members), -1)

    def _diverged(self) -> tuple[str, Tensor]:
        sound = self.losses[self.step].isfinite()
        if bool(sound.all()):
            sound = torch.stack([self._by_member(weight).isfinite().all(1) for weight in self.model.parameters()]).all(0)
        first = int((~sound).nonzero()[0])
        return f"training of {self.names[first]}", self.largest[:, first]

    @contextmanager
    def final_weights(self) -> Iterator[None]:
        """Inside the block the stack and the models have the weights that training would end with here.

        The models are then on the device; afterwards they keep these weights, and training goes on from its own.
        """
        with super().final_weights():
            self._to_models()
            yield

    def finish(self, report: Reporter = SILENT) -> None:
        """Put the trained (or averaged) weights in the models: on the device, in evaluation mode, in the usual layout."""
        super().finish(report)
        self._to_models()
        for model in self.members:
            model.to(memory_format=torch.contiguous_format).eval()

    def _to_models(self) -> None:
        for model in self.members:
            model.to(self.feed.device)
        _hand_out(self._stack, self.members)


def _check(models: Sequence[nn.Module], draws: Sequence[Tensor], seeds: Sequence[int], x: Tensor, hooks: Hooks | None) -> None:
    if not len(models) == len(draws) == len(seeds) or len({len(draw) for draw in draws}) != 1:
        raise ValueError(
            f"{count(len(models), 'model')}, {count(len(draws), 'draw')}, "
            f"{count(len(seeds), 'seed')}; or draws of different lengths"
        )
    if hooks is not None and hooks.examples is not None:
        raise UsageError("adversarial examples are made for one network at a time", hint=_HINT)
    if hooks is not None and hooks.mixing is not None:
        raise UsageError("images are mixed for one network at a time", hint=_HINT)
    if (reason := why_not_stackable(models, x[:2])) is not None:
        raise UsageError(f"these networks cannot be trained as one: {reason}", hint=_HINT)


def why_not_stackable(models: Sequence[nn.Module], sample: Tensor) -> str | None:
    """Why `models` cannot be trained by `StackedTraining`, in a few words; None if they can.

    They must be alike but for the values of parameters and buffers, and compute the same stacked as alone on one or more
    images `sample` (n, c, h, w), without decisions by what is in a tensor. Copies are tried: models and random state stay.
    Raises ResourceError if the memory does not hold them at once.
    """
    reason = next((found for model in models[1:] if (found := _difference(models[0], model))), None)
    if reason is not None:
        return reason
    where = next(chain(models[0].parameters(), models[0].buffers()), sample).device
    with preserved(), torch.enable_grad(), memory_error_context(*StackedTraining.too_large):
        try:
            # Two images, because BatchNorm cannot be trained on one.
            return _trial([copy.deepcopy(model) for model in models], torch.cat([to_float(sample[:2])] * 2)[:2].to(where))
        except Exception as error:  # a network may be anybody's code
            if out_of_memory(error):
                raise
            return _in_words(str(error).strip() or type(error).__name__)


def _difference(one: nn.Module, other: nn.Module) -> str | None:
    """What, but for values, is not the same in both."""
    layers = [[(name, type(module)) for name, module in model.named_modules()] for model in (one, other)]
    if layers[0] != layers[1]:
        return "they have different layers"
    for (name, left), (_, right) in zip(one.named_modules(), other.named_modules(), strict=True):
        if _settings(left) != _settings(right):
            return f"their layers '{name}' have different settings" if name else "they have different settings"
    kinds = [{name: _kind(tensor) for name, tensor in _tensors(model).items()} for model in (one, other)]
    return None if kinds[0] == kinds[1] else "their weights differ in shape or kind"


def _settings(module: nn.Module) -> dict[str, object]:
    return {name: value for name, value in vars(module).items() if name != "training" and _is_plain(value)}


def _is_plain(value: object) -> bool:
    return all(map(_is_plain, value)) if isinstance(value, tuple | list) else isinstance(value, _PLAIN)


def _kind(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.dtype, tensor.device, tensor.requires_grad


def _trial(models: Sequence[nn.Module], x: Tensor) -> str | None:
    """Run `models` on images `x` (2, c, h, w), which changes them."""
    stack, images = StackedModel(models), torch.stack([x] * len(models), 1)
    # In evaluation mode, where nothing is random: layers that vmap computes wrongly without an error show here.
    with torch.no_grad():
        together, alone = stack.eval()(images), torch.stack([model.eval()(x) for model in models], 1)
    if together.dim() != 3 or not together.is_floating_point():
        return "they do not return logits (n, classes)"
    if float((together - alone).abs().max()) > _ALIKE * float(alone.abs().max()):
        return "they compute something else when stacked"
    # In training mode other code runs (dropout, BatchNorm's statistics), and the backward pass may have no rule for vmap.
    stack.train()(images).sum().backward()
    return None


def _in_words(error: str) -> str:
    if any(said in error for said in ("data-dependent control flow", ".item()", "dynamic shape")):
        return "they decide by the values in a tensor"
    return f"they fail when stacked: {error.splitlines()[0].removeprefix('vmap: ')}"
