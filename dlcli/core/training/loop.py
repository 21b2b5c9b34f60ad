"""The one training loop: tensors in memory, seeded order, the device's fast precision; it can stop after any step."""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain, islice
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dlcli.core.compute.batches import memory_error_context
from dlcli.core.compute.device import threads
from dlcli.core.compute.loader import BatchLoader, to_float
from dlcli.core.compute.precision import float32_precision
from dlcli.core.compute.rng import generator, preserved
from dlcli.core.objectives.base import Objective
from dlcli.core.objectives.cross_entropy import CrossEntropy
from dlcli.core.training.batch_gradients import BatchGradients
from dlcli.core.training.dead_taps import has_dead_taps
from dlcli.core.training.deterministic import deterministic
from dlcli.core.training.foreach import largest_magnitude, move_towards
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.parameter_groups import freeze, optimized, parameter_groups
from dlcli.core.training.recipe import Recipe, build_optimizer, resolve_dtype, resolve_threads, steps_per_epoch
from dlcli.core.training.schedule import Plateau
from dlcli.core.training.state import check_like, checked_position, optimizer_state, random_state, set_random_state, under
from dlcli.core.training.trainable import check_parameters, in_layout
from dlcli.specs.schedule import parse_schedule
from dlcli.support.errors import NumericError
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter, Task
from dlcli.support.seeds import derive


class Training:
    """Training of `model`, in place, on images or clips `x` (see `BatchLoader`) and labels `y` (n,), an epoch at a time.

    Labels are whole numbers and the loss is cross-entropy, or what `objective` says.

    A step that runs out of memory is repeated in parts (`BatchGradients`), whose gradients are accumulated before the weights
    are updated: the same step up to rounding, except for dropout masks and for batch normalisation, which sees one part.
    Weights stay float32; with `dtype` bfloat16 (None: as the recipe says) only the forward and backward pass run in it, by
    autocast. The same seed, device and thread count give bit for bit the same weights, and so does a training that was
    stopped after any step, saved as `state()` and resumed elsewhere by `load(state)`. After each epoch `plateau`, which is not
    None for a schedule of that name, has to see the loss on a dev set.
    """

    gradients_class: ClassVar[type[BatchGradients]] = BatchGradients
    too_large: ClassVar[tuple[str, str]] = (
        "out of memory training this network, even on one example at a time",
        "lower `size`, or choose a smaller network",
    )
    """Message and hint of the error when memory runs out."""

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        recipe: Recipe,
        *,
        seed: int,
        device: torch.device,
        dtype: torch.dtype | None = None,
        hooks: Hooks | None = None,
        objective: Objective | None = None,
    ) -> None:
        self.recipe, self.seed, self.hooks = recipe, seed, hooks or Hooks()
        self.frozen = freeze(model, recipe.freeze)
        check_parameters(model)
        self.dtype = self._precision(dtype, x[:1], model.to(device))
        self.model = in_layout(model, self.gradients_class.layout)
        self.feed = BatchLoader(x, y, device)
        self.optimizer = build_optimizer(recipe, parameter_groups(model, recipe), device)
        self.average = {k: v.clone() for k, v in model.state_dict().items()} if recipe.ema else {}
        self.gradients = self.gradients_class(
            self.model,
            self.optimizer,
            recipe=recipe,
            dtype=self.dtype,
            device=device,
            objective=objective or CrossEntropy(self.hooks.class_weights, recipe.label_smoothing),
        )
        self.epoch, self.step = 0, 0
        plan = parse_schedule(recipe.schedule)
        self.plateau = Plateau(plan) if plan.name == "plateau" else None
        self.nondeterministic: set[str] = set()
        steps = recipe.epoch_steps(len(x))
        # Kept on the device, so that no step waits for the host: the loss of each step, and its largest gradient.
        self.losses, self.largest = torch.zeros(steps, device=device), torch.zeros(steps, device=device)
        with preserved():
            torch.manual_seed(derive(seed, "dropout"))
            self.random = random_state(device)

    def _precision(self, asked: torch.dtype | None, x: Tensor, model: nn.Module) -> torch.dtype:
        """As asked or as the recipe says, but for networks whose gradients a CPU gets wrong in bfloat16."""
        if asked is not None:
            return asked
        where = next(model.parameters()).device
        found = resolve_dtype(self.recipe, where)
        # Before the weights are laid out, in the layout that any network takes.
        unsafe = found != torch.float32 and where.type == "cpu" and has_dead_taps(model, to_float(x).contiguous())
        return torch.float32 if unsafe else found

    def run_epoch(self, task: Task, stop: Callable[[], bool] = lambda: False) -> float | None:
        """Finish the epoch and return its mean loss, or None if `stop()` was true after a step.

        `task` counts steps. Raises NumericError, naming the step, the learning rate and the largest gradient, if a loss or a
        weight is not finite, and ResourceError if the memory of the device does not suffice.
        """
        with self._conditions():
            # A resumed epoch draws its whole order again and skips the steps it has taken. `x` may be a memory-mapped file: the
            # feed reads the rows of the next steps only, and `closing` ends its thread when the epoch is left early.
            with closing(self._fed(self._batches()[self.step :])) as batches:
                for x, y, drawn in batches:
                    self._one_step(x, y, drawn)
                    task.advance()
                    # After the last step the epoch is finished first; the caller then checks `stop` itself.
                    if stop() and self.step < len(self.losses):
                        return None
        mean = self._checked_mean()
        self.epoch, self.step = self.epoch + 1, 0
        task.set_status(f"epoch {self.epoch}/{self.recipe.epochs}, loss {mean:.4f}")
        return mean

    def _fed(self, order: Sequence[Tensor]) -> Generator[tuple[Tensor, Tensor, Any], None, None]:
        """The images and labels of each step of `order`, and what is drawn for it."""
        draws = self._drawn_ahead([len(picked) for picked in order])
        with closing(self.feed.batches(order)) as batches:
            for (x, y), drawn in zip(batches, draws, strict=True):
                yield x, y, drawn

    @contextmanager
    def _conditions(self) -> Iterator[None]:
        """Inside the block all is set that the bits of a step depend on; afterwards as it was before."""
        with (
            preserved(),
            threads(resolve_threads(self.recipe)),
            deterministic(self.nondeterministic),
            float32_precision("ieee" if self.recipe.dtype == "float32" else "tf32"),
            memory_error_context(*self.too_large),
        ):
            set_random_state(self.random, self.feed.device)
            self.model.train()
            for module in self.frozen:
                module.eval()
            yield
            self.random = random_state(self.feed.device)

    def _batches(self) -> tuple[Tensor, ...]:
        """The examples of each step of this epoch."""
        return self._order(self.seed, len(self.feed))

    def _order(self, seed: int, n: int) -> tuple[Tensor, ...]:
        """Which of `n` examples each step takes: the same generator draws the order of every epoch before this one."""
        order = generator(derive(seed, "order"))
        choose = self.hooks.sampling or (lambda source: torch.randperm(n, generator=source))
        steps, whole = len(self.losses), steps_per_epoch(n, self.recipe.batch_size)
        passes = -(-steps // whole)
        drawn = [choose(order) for _ in range((self.epoch + 1) * passes)][-passes:]
        # Even batches rather than a short last one: its examples would count for more, and BatchNorm fails on a single one.
        parts = chain.from_iterable(one.view(-1, self.hooks.together).tensor_split(whole) for one in drawn)
        return tuple(part.flatten() for part in islice(parts, steps))

    def _drawn_ahead(self, sizes: Sequence[int]) -> Iterable[Any]:
        """What `_prepared` takes in each of the next steps, by the number of examples."""
        return self._drawn(self.seed, sizes)

    def _drawn(self, seed: int, sizes: Sequence[int]) -> Iterable[Any]:
        """The draws that a training with `seed` makes in each of the next steps."""
        return self.hooks.draw_ahead(sizes, self.feed.shape, seed=seed, step=self._number, device=self.feed.device)

    def _one_step(self, x: Tensor, y: Tensor, drawn: Any) -> None:
        factor = self._lr_factor
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        self.losses[self.step] = self.gradients.backward(lambda: self._prepared(x, y, drawn), len(y))
        gradients = [parameter.grad for parameter in self._parameters() if parameter.grad is not None]
        self.largest[self.step] = self._largest(gradients)
        if self.recipe.clip_norm is not None:
            self._clip(self.recipe.clip_norm)
        self.optimizer.step()
        self._average()
        self.step += 1

    def _parameters(self) -> Iterable[nn.Parameter]:
        """All that the optimizer changes."""
        return self.model.parameters()

    def _prepared(self, x: Tensor, y: Tensor, drawn: Any) -> tuple[Tensor, ...]:
        if self.hooks.augment is not None:
            x, y = self.hooks.augment.change(x, y, drawn)
        if self.hooks.examples is not None:
            most = -(-len(x) // self.gradients.parts)
            x = self.hooks.examples(self.model, x, y, derive(self.seed, "examples", self._number), most)
        if self.hooks.mixing is not None:
            x, y = self.hooks.mixing(x, y, derive(self.seed, "mixing", self._number))
        return x, y

    def _largest(self, gradients: Sequence[Tensor]) -> Tensor:
        return largest_magnitude(gradients)

    def _clip(self, most: float) -> None:
        """Scale the gradients so that their norm is `most` at the most."""
        nn.utils.clip_grad_norm_(self._parameters(), most)

    def _average(self) -> None:
        if self.average:
            # At first the plain mean of the few weights there are, so that the random start is soon forgotten.
            decay = min(self.recipe.ema, (1 + self._number) / (10 + self._number))
            move_towards(self.average, self.model.state_dict(), 1 - decay)

    @property
    def _number(self) -> int:
        """How many steps are done."""
        return self.epoch * len(self.losses) + self.step

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self.recipe.lr * self._lr_factor

    @property
    def _lr_factor(self) -> float:
        factor = self.recipe.lr_factor(self.epoch, self.step, len(self.losses))
        return factor if self.plateau is None else factor * self.plateau.factor

    @property
    def done(self) -> bool:
        """Whether all epochs are."""
        return self.epoch >= self.recipe.epochs

    def _checked_mean(self) -> float:
        """The mean loss, once the epoch's losses and the weights it ended with are seen to be finite."""
        bad = (~self.losses.isfinite()).nonzero()
        if not len(bad) and bool(torch.stack([parameter.isfinite().all() for parameter in self._parameters()]).all()):
            return float(self.losses.mean())
        self.step = int(bad[0, 0]) if len(bad) else len(self.losses) - 1
        what, gradients = self._diverged()
        finite = gradients[: self.step + 1][gradients[: self.step + 1].isfinite()]
        largest = f"{float(finite.max()):.3g}" if len(finite) else "not finite"
        where = f"epoch {self.epoch + 1}, step {self.step + 1} of {len(self.losses)}, learning rate {self.lr:g}"
        message = f"{what} diverged: the loss is not finite at {where}; the largest gradient until then is {largest}"
        raise NumericError(message, hint="a smaller learning rate may help")

    def _diverged(self) -> tuple[str, Tensor]:
        """What diverged, in words, and the largest gradient of each of its steps."""
        return "training", self.largest

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to report of this training so far."""
        names = ", ".join(sorted(self.nondeterministic))
        where = f"torch has no deterministic implementation on this device of {names}"
        found = [f"{where}: the same seed may give other weights"] if names else []
        number, weight = self.gradients.auxiliary
        if number:
            what = count(number, "auxiliary output")
            found.append(f"the network has {what} in training mode, whose loss is added with weight {weight:g}")
        return tuple(found)

    @contextmanager
    def final_weights(self) -> Iterator[None]:
        """Inside the block the model has the weights that training would end with here: the averaged ones, if kept."""
        if not self.average:
            yield
            return
        trained = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        try:
            yield
        finally:
            self.model.load_state_dict(trained)

    def finish(self, report: Reporter = SILENT) -> None:
        """Put the averaged weights in place, and the model in evaluation mode and in the usual memory layout; report the notes.

        In that layout a network just trained and one read from a file compute bit for bit the same.
        """
        if self.average:
            self.model.load_state_dict(self.average)
        self.model.to(memory_format=torch.contiguous_format).eval()
        for note in self.notes:
            report.note(note)

    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on, on the CPU, by name."""
        # Order, augmentation and learning rate follow from the seed and the position. The number of parts does not, and it
        # decides how sums are rounded; nor does the state of the generators, from which dropout draws.
        found = {"position": torch.tensor([self.epoch, self.step, self.gradients.parts])}
        found |= {name: getattr(self, name) for name in ("losses", "largest")}
        found |= {} if self.plateau is None else {"plateau": self.plateau.state()}
        found |= {f"random.{name}": value for name, value in self.random.items()}
        found |= {f"model.{name}": value for name, value in self.model.state_dict().items()}
        found |= {f"average.{name}": value for name, value in self.average.items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer.{number}.{name}": value for name, value in values.items() if isinstance(value, Tensor)}
        return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in found.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue where `state` was taken; raises KeyError or RuntimeError if it is of another network or recipe."""
        # Without what the optimizer keeps, which there may be none of yet. Of this class, since that of ranks asks all of them.
        check_like(state, {name: value for name, value in Training.state(self).items() if not name.startswith("optimizer.")})
        most = (self.recipe.epochs, len(self.losses), sys.maxsize)
        self.epoch, self.step, self.gradients.parts = checked_position(state["position"], most)
        for name in ("losses", "largest"):
            getattr(self, name).copy_(state[name])
        if self.plateau is not None:
            self.plateau.load(state["plateau"])
        self.model.load_state_dict(under(state, "model."))
        for name, value in self.average.items():
            value.copy_(state[f"average.{name}"])
        self.random = under(state, "random.")
        with preserved():
            torch.set_rng_state(self.random["cpu"])
        kept = optimizer_state(under(state, "optimizer."), optimized(self.optimizer))
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": kept})


def train(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    dtype: torch.dtype | None = None,
    task: Task,
    report: Reporter = SILENT,
) -> float:
    """Train a network in place, from the first epoch to the last, as `Training` does.

    Args:
        model: The network; it ends on `device`, in evaluation mode.
        x: Images or clips, as `BatchLoader` takes them.
        y: Labels (n,).
        recipe: How to train.
        seed: Determines the order of the examples and dropout.
        device: Where to train.
        dtype: Precision of the forward and backward pass; None for that of the recipe.
        task: Counts the steps.
        report: Receives the notes.

    Returns:
        The mean loss of the last epoch.

    Raises:
        NumericError: If training diverges.
        ResourceError: If the memory of the device does not suffice.
    """
    training = Training(model, x, y, recipe, seed=seed, device=device, dtype=dtype)
    mean = 0.0
    while not training.done:
        mean = training.run_epoch(task) or 0.0
    training.finish(report)
    return mean
