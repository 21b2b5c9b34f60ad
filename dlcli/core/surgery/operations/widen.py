"""More units in every hidden layer, with the function unchanged (Net2WiderNet, Chen et al. 2016, arXiv 1511.05641, 3.1).

Further units are copies of units drawn at random, each once before any twice, and what reads a unit divides its weights by
the number of copies. Residual sums share one choice, concatenations keep their parts, depthwise convolutions get a group for
each copy, and other grouped ones copy within groups. Inputs and logits stay as many as they are. The copy stays exact while
it trains, but for dropout, which masks copies separately. Without noise copies get equal gradients and never part; with it,
the weights of the copies are moved by N(0, (NOISE * s)^2), s the standard deviation of all weights of their layer. The keys of
the state dict stay, and the shapes depend on the factor alone.
"""

import math

from torch import Tensor, nn

from dlcli.core.surgery.base import SurgeryResult, parse_number
from dlcli.core.surgery.growth.proof import (
    TOLERANCE,
    as_before,
    float64_copy,
    parameter_count,
    probes,
    relative_difference,
    scientific,
)
from dlcli.core.surgery.growth.survey import Survey
from dlcli.core.surgery.growth.widening import Widening
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count

ARGUMENT = "FACTOR[:NOISE], how many times as many units, and how much noise parts the copies, such as 2 or 2:0.05"

_MOST = 64


def check(argument: str) -> None:
    """Raise UsageError unless `argument` is a number above 1, or one and a noise from 0 up after a colon."""
    _parsed(argument)


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy with more units that computes the same, up to the noise.

    Raises InputError, naming it, for a layer or an operation through which units cannot be followed.
    """
    factor, noise = _parsed(argument)
    before = float64_copy(model)
    inputs = probes(sample, before)
    widening, drops = _widened(before, factor, inputs[0])
    after = widening.model
    difference = relative_difference(before, after, inputs)
    if not difference < TOLERANCE:
        raise InputError(f"{widening.first_difference(before, inputs[-1])} does not compute the same with copied units")
    shown = f"exact: relative difference {scientific(difference)} in float64"
    if noise:
        widening.add_noise(noise)
        moved = relative_difference(before, after, inputs)
        shown = f"noise {noise:g} changed the output by {moved:.2g} relative, {scientific(difference)} without it"
    wider = f"{sum(bool(own.any()) for own in widening.copied.values())} of {count(len(widening.copied), 'layer')} wider"
    sizes = f"{parameter_count(before):,} parameters became {parameter_count(after):,}"
    dropout = "; dropout masks copies separately, so it is not exact in training" if drops else ""
    return SurgeryResult(as_before(after, model), f"{wider}; {sizes}; {shown}{dropout}")


def _widened(before: nn.Module, factor: float, sample: Tensor) -> tuple[Widening, bool]:
    """Grow a copy of a network.

    Args:
        before: The network.
        factor: How many times as many units.
        sample: An example of its input, (1, ...).

    Returns:
        The grown copy, and whether the network has dropout.

    Raises:
        InputError: If it cannot grow.
    """
    survey = Survey(before)
    modes = survey.modes(sample)
    widening = Widening(float64_copy(before), survey, factor)
    for training in modes:
        widening.follow(sample, training=training)
    if not any(copied.any() for copied in widening.copied.values()):
        what = f"no layer can have {factor:g} times as many units"
        raise InputError(f"{what}: they are outputs, are added to the input, or are too few")
    return widening, survey.drops


def _parsed(argument: str) -> tuple[float, float]:
    """The factor and the noise; raises UsageError."""
    factor, colon, noise = argument.partition(":")
    value = parse_number(factor, low=1, high=_MOST)
    try:
        found = float(noise) if colon else 0.0
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise UsageError(f"'{noise}' is not a noise from 0 up", hint="`surgery=widen=2:0.05`")
    return value, found
