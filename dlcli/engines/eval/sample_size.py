"""How many test images establish a difference: `dlcli eval --detect`. Needs no torch."""

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.images_needed import images_needed, power_of_images
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.grouped import difference_of, share_of
from dlcli.engines.eval.against import ComparedClassifiers
from dlcli.specs.estimates import Estimate
from dlcli.specs.eval import EvalConfig
from dlcli.specs.figures import percent
from dlcli.specs.sample_size import POWER, ImagesForShare, ImagesNeeded
from dlcli.support.plural import count

_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Of images that only one of two classifiers is right on, where these are not known."""


def needed_images(config: EvalConfig, predictions: Predictions, compared: ComparedClassifiers | None) -> ImagesNeeded | None:
    """How many images establish a difference of the size `detect`; None without that option.

    Args:
        config: Its `detect`.
        predictions: The predictions.
        compared: The comparison with another classifier; None without one.
    """
    effect, n, group = config.detect, len(predictions.y), predictions.group
    if effect is None:
        return None
    if compared is None:
        shares = [share for share in _SHARES if share >= effect] or [effect]
        return ImagesNeeded(effect=effect, n=n, disagreement=None, shares=_rows(effect, n, shares, 1.0))
    change = compared.change(n)
    found = share_of(change != 0, group)
    shares = [max(effect, share) for share in (found.value, found.low, found.high)]
    return ImagesNeeded(effect=effect, n=n, disagreement=found, shares=_rows(effect, n, shares, _times(change, group)))


def needed_note(found: ImagesNeeded | None, unit: str) -> tuple[str, ...]:
    """How many images establish it; empty without `detect`.

    Args:
        found: The numbers.
        unit: What an example is called.
    """
    if found is None:
        return ()
    what = f"A difference of {100 * found.effect:.3g} point{'' if found.effect == 0.01 else 's'}"
    if found.disagreement is not None:
        return (_note_of_two(found, found.disagreement, what, unit),)
    cells = [f"{one.images:,} where that is {100 * one.share:.3g}% ({one.power:.0%} with these)" for one in found.shares]
    return (
        f"{what} is established in {POWER:.0%} of test sets with this number of {unit}s, by the share that only one of both "
        f"networks is right on: {'; '.join(cells)}. A comparison tells that share, and these are {count(found.n, unit)}.",
    )


def _note_of_two(found: ImagesNeeded, share: Estimate, what: str, unit: str) -> str:
    exact, low, high = found.shares
    differ = f"networks of which only one is right on {percent(share, '%')} of the {unit}s, as of these two"
    images = f"{count(exact.images, unit)} ({low.images:,} to {high.images:,} by that interval)"
    now = f"in {exact.power:.0%} with these {found.n:,}"
    return f"{what} between {differ}, is established in {POWER:.0%} of test sets with {images}; {now}."


def _rows(effect: float, n: int, shares: list[float], times: float) -> tuple[ImagesForShare, ...]:
    return tuple(
        ImagesForShare(
            share=share,
            images=images_needed(effect, share, times=times),
            power=power_of_images(n, effect, share, times=times),
        )
        for share in shares
    )


def _times(change: NDArray[np.int64], group: NDArray[np.int64] | None) -> float:
    """How many times the variance of independent images that of these groups is."""
    if group is None:
        return 1.0
    grouped, alone = (difference_of(change > 0, change < 0, one) for one in (group, None))
    return max(1.0, ((grouped.high - grouped.low) / (alone.high - alone.low)) ** 2)
