"""Gradients while a network is trained: the option of `dlcli train`, and what is measured."""

from typing import Any, NamedTuple

from dlcli.specs.option import option
from dlcli.support.errors import UsageError
from dlcli.support.schema import Check, mapping_of, number, optional, record, whole

_MOST = 10**9


class GradientProbe(NamedTuple):
    """What gradients looked like after an epoch, in evaluation mode, on training images that stay the same.

    Attributes:
        epoch: After how many epochs; 0 is before training.
        n: Number of images.
        norm: Euclidean norm of the mean gradient of the loss.
        noise: The simple noise scale in images (McCandlish et al. 2018); None where the mean gradient is lost in noise.
        noise_low: Lower end of its 95% interval; None where it has none.
        noise_high: The upper end.
        layers: Root mean square of the mean gradient by the name of the weight.
        dead: Share of the units of each activation that are above 0 for none of the images.
    """

    epoch: int
    n: int
    norm: float
    noise: float | None
    noise_low: float | None
    noise_high: float | None
    layers: dict[str, float]
    dead: dict[str, float]


def probe_schema() -> Check:
    """What is recorded of a probe."""
    figures: dict[str, Check] = {"epoch": whole(0, _MOST), "n": whole(0, _MOST), "norm": number(0)}
    figures |= dict.fromkeys(("noise", "noise_low", "noise_high"), optional(number(0)))
    return record(figures | dict.fromkeys(("layers", "dead"), mapping_of(number(0))))


def probe_option() -> Any:
    """`probe`: how often gradients are measured."""
    return option(
        None,
        "Measure gradients before training and after every N epochs, on training images that stay the same: norms, how noisy "
        "the gradient of a batch is, and dead units, as curves on the page. Weights are those of a training without it.",
        minimum=1,
        metavar="N",
    )


def check_probe(config: Any) -> None:
    """Raise UsageError where gradients are not measured."""
    if config.probe is None:
        return
    if config.task != "images":
        raise UsageError("`probe` applies to `task=images`", hint="omit it")
    if config.compares or config.pretrain_only:
        name = "versus" if config.versus else "pretrain_only" if config.pretrain_only else "seeds"
        raise UsageError(f"`probe` is of one training, and does not go with `{name}`", hint="omit one of them")
