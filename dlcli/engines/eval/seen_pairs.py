"""Pairs that a scorer was fitted on, or that share a text with these, among those that it is evaluated on."""

import numpy as np
from numpy.typing import NDArray

from dlcli.core.pairs.labelled import MIN_PAIRS, LabelledPairs
from dlcli.core.pairs.measures import DECISION_THRESHOLD
from dlcli.core.pairs.seen import SeenPairs
from dlcli.core.tasks.pairs import TASK
from dlcli.engines.leaks import without_duplicates
from dlcli.specs.figures import percent, points
from dlcli.specs.pairs import PairLeaks, PairMetric
from dlcli.support.plural import count


def find_seen(seen: SeenPairs | None, pairs: LabelledPairs, probability: NDArray[np.float64], *, seed: int) -> PairLeaks | None:
    """How many pairs the scorer knows, and its figures on the others.

    Args:
        seen: What it was fitted on; None if its run directory does not tell.
        pairs: Labelled pairs.
        probability: Of being duplicates, (pairs,).
        seed: Seed of resamples.

    Returns:
        What was found; None if nothing is known.
    """
    if seen is None:
        return None
    sharing, same = seen.find(pairs)
    new, gain = pairs.take(~sharing), None
    enough = len(new) >= MIN_PAIRS and 0 < new.duplicate.sum() < len(new)
    if sharing.any() and enough:
        right = (probability >= DECISION_THRESHOLD) == pairs.duplicate
        gain = without_duplicates(right, sharing, pairs.component)[1]
    measured = TASK.measure(new, probability[~sharing], seed=seed).measured if sharing.any() and enough else {}
    others = tuple(PairMetric(name=name, estimate=one) for name, one in measured.items())
    return PairLeaks(n=len(pairs), sharing=int(sharing.sum()), same=int(same.sum()), others=others, gain=gain)


def seen_note(found: PairLeaks | None) -> str:
    """What there is to say about these pairs."""
    if found is None:
        return "If the scorer was trained on some of these texts, the metrics are too high: its run directory does not tell."
    if not found.sharing:
        return "No pair shares a text with those that the scorer was trained on."
    if found.same == found.n:
        return "These are the pairs that the scorer was trained on: the metrics are too high. Evaluate it on other pairs."
    which = (
        f"{count(found.sharing, 'pair')} of {found.n:,} {'shares' if found.sharing == 1 else 'share'} a text with those that"
    )
    are = f" ({found.same:,} {'is' if found.same == 1 else 'are'} among these)" if found.same else ""
    line = f"{which} the scorer was trained on{are}, so that the metrics can be too high"
    figures = {one.name: one.estimate for one in found.others}
    if found.gain is None or not figures:
        return f"{line}; the other {found.n - found.sharing:,} are too few to evaluate it on."
    shown = ", ".join(f"{name} {percent(figures[name], '%')}" for name in ("accuracy", "auc") if name in figures)
    shown = shown.replace("auc", "AUC")
    gain = f"They add {points(found.gain)} of accuracy, {found.gain.verdict}."
    return f"{line}; on the other {found.n - found.sharing:,}: {shown}. {gain}"
