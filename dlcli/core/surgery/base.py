"""What the operations of surgery share: results, parsing of arguments, replacing modules and drawing weights."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.graph.trace import Trace, record_trace
from dlcli.support.errors import DlcliError, InputError, UsageError

WEIGHT_LAYERS = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


@dataclass(frozen=True)
class SurgeryResult:
    """A changed copy, and one line on what was changed."""

    model: nn.Module
    note: str


def deep_copy(model: nn.Module) -> nn.Module:
    """A deep copy; raises InputError if the network cannot be copied."""
    try:
        return copy.deepcopy(model)
    except (TypeError, RuntimeError, AttributeError) as error:
        raise InputError(f"the network cannot be copied: {str(error).partition(chr(10))[0]}") from error


def parse_number(argument: str, *, low: float, high: float, default: float | None = None) -> float:
    """Parse the argument of an operation as a number within (low, high].

    Args:
        argument: The text.
        low: Exclusive lower bound.
        high: Inclusive upper bound.
        default: Returned for an empty text; None requires a number.

    Returns:
        The number.

    Raises:
        UsageError: If the text is not such a number.
    """
    if not argument and default is not None:
        return default
    try:
        value = float(argument)
    except ValueError:
        value = math.nan
    if not (low < value <= high and math.isfinite(value)):
        raise UsageError(f"'{argument}' is not a number above {low:g}{'' if math.isinf(high) else f' and up to {high:g}'}")
    return value


def parse_whole(argument: str, *, low: int, default: int | None = None) -> int:
    """The whole number in `argument`, `low` or more; raises UsageError otherwise, or if there is none and no default."""
    if not argument and default is not None:
        return default
    if not (argument.isascii() and argument.isdigit() and int(argument) >= low):
        raise UsageError(f"'{argument}' is not a whole number from {low} up")
    return int(argument)


def traces(model: nn.Module, sample: Tensor) -> tuple[Trace, ...]:
    """How `model` runs in evaluation and, if it can with two images, in training: auxiliary heads may run there only."""
    evaluated = record_trace(model, sample)
    try:
        return evaluated, record_trace(deep_copy(model), sample.repeat(2, *[1] * (sample.dim() - 1)), training=True)
    except DlcliError:
        return (evaluated,)


def replace_modules(model: nn.Module, kinds: tuple[type[nn.Module], ...], make: Callable[[Any], nn.Module]) -> list[str]:
    """Put `make(module)` in the place of each module of `kinds` below `model`, in place; returns their paths.

    A module that stands in several places is replaced by one.
    """
    made: dict[nn.Module, nn.Module] = {}
    paths = []
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if isinstance(module, kinds) and path:
            if module not in made:
                made[module] = make(module).train(module.training)
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, made[module])
            paths.append(path)
    return paths


def fan_in(layer: nn.Module) -> int:
    """How many inputs a unit of a layer of `WEIGHT_LAYERS` sums."""
    weight: Any = layer.weight
    if isinstance(layer, nn.Linear):
        return int(weight.shape[1])
    if isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return int(weight[0, 0].numel()) * layer.in_channels // layer.groups
    return int(weight[0].numel())


def redraw_weights(model: nn.Module, draw: Callable[[nn.Module, Tensor], Any]) -> int:
    """Call `draw(layer, weight)` on each layer of `WEIGHT_LAYERS` of `model` to fill it, and set biases to 0.

    Returns how many there were. Raises InputError if there is none, or for weights that stand in other kinds of layers; scales
    and offsets with a single axis longer than 1 are no weights.
    """
    layers = {path: module for path, module in model.named_modules() if isinstance(module, WEIGHT_LAYERS)}
    # Weights in other kinds of layers (attention, custom modules) have no known fan-in: refusing is better than leaving them as
    # they were while the note says that all were drawn.
    known = {id(parameter) for layer in layers.values() for parameter in layer.parameters(recurse=False)}
    for path, parameter in model.named_parameters():
        if id(parameter) not in known and sum(side > 1 for side in parameter.shape) > 1:
            raise InputError(
                f"{path} is the weight of no convolution or fully connected layer, so it is not clear how to draw it",
                hint="attention, recurrence and embeddings have no fan-in; `surgery=elu` leaves weights alone",
            )
    if not layers:
        raise InputError("the network has no convolution and no fully connected layer")
    with torch.no_grad():
        for layer in layers.values():
            draw(layer, _weight(layer))
            if isinstance(layer.bias, Tensor):
                layer.bias.zero_()
    return len(layers)


def lecun_normal(layer: nn.Module, weight: Tensor) -> None:
    """Fill with N(0, 1/fan_in) (LeCun et al. 1998, Efficient BackProp, equation 16)."""
    weight.normal_(0.0, fan_in(layer) ** -0.5)


def display_name(path: str) -> str:
    """What a module is called in messages."""
    return path or "the network itself"


def _weight(layer: nn.Module) -> Tensor:
    weight: Any = layer.weight
    data: Tensor = weight.data
    return data
