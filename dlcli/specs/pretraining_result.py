"""What results of `dlcli train` tell of pre-training: how features changed, and comparisons at equal compute."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dlcli.specs.estimates import Difference, Estimate, flat
from dlcli.specs.figures import percent, points
from dlcli.support.plural import count

LINEAR, NEIGHBOURS = "linear probe", "5 neighbours"
"""What the two probes of features are called."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What frozen features tell of the classes of test images.

    Attributes:
        linear: Share that is right by a logistic regression on standardised features of the labelled training images.
        neighbours: Share that is right by the 5 nearest of these.
        alignment: Mean squared distance of the features, of unit length, of two that belong together, in [0, 4]: two views of a
            test image, or, in siamese pre-training, two test images of one class (Wang and Isola 2020, equation 1).
        uniformity: Logarithm of the mean of exp(-2 squared distance) over pairs of test images, in [-8, 0]: the lower, the more
            evenly features are spread over the sphere (Wang and Isola 2020, equation 2).
    """

    linear: Estimate
    neighbours: Estimate
    alignment: float | None
    uniformity: float | None


@dataclass(frozen=True, kw_only=True)
class PretrainingRow:
    """One pre-training; the probes are None where there are no classes, or where a network has no single last layer.

    Attributes:
        variant: Its side of a comparison, as in `TrainRow`.
        seed: The seed it was trained from.
        method: The value of `pretrain`.
        settings: Those of the method, in words.
        n_images: Number of images it learned from.
        n_unlabelled: Number of those without a label.
        epochs: Number of epochs.
        steps: Number of steps.
        image_passes: How many images went forward and back; each of two views counts by its share of the pixels.
        loss: Mean loss of the last epoch.
        seconds: Wall-clock time.
        cpu_seconds: Time of the processor.
        before: Features of the network with its initial weights.
        after: Features of the pre-trained network.
        linear_gain: The linear probe after less that before, paired by test image.
        neighbours_gain: The same of the 5 nearest neighbours.
    """

    variant: str
    seed: int
    method: str
    settings: str
    n_images: int
    n_unlabelled: int
    epochs: int
    steps: int
    image_passes: float
    loss: float
    seconds: float
    cpu_seconds: float | None
    before: Probe | None
    after: Probe | None
    linear_gain: Difference | None
    neighbours_gain: Difference | None


@dataclass(frozen=True, kw_only=True)
class ProbeGain:
    """A probe after and before pre-training, as means over the seeds of a variant, and the difference, paired by seed."""

    variant: str
    probe: str
    before: float
    after: float
    gain: Difference


@dataclass(frozen=True, kw_only=True)
class EqualCompute:
    """A comparison in which the side without pre-training is trained for longer, until its compute is that of the other.

    Attributes:
        longer: That side by the options in which it differs, as `versus` takes them.
        variants: The two sides, in the order of `comparisons`.
        epochs: Number of epochs of the longer training.
        image_passes: How many images go forward and back in all, of each of the two sides; see `PretrainingRow`.
        rows: The networks of the longer training.
        comparisons: Of the primary metrics, tested by Holm together with those at equal epochs.
    """

    longer: str
    variants: tuple[str, str]
    epochs: int
    image_passes: tuple[float, float]
    rows: tuple[Any, ...]
    comparisons: tuple[Any, ...]

    @property
    def note(self) -> str:
        """What was compared, in a sentence."""
        each = [f"{number:,.0f} for {name}" for name, number in zip(self.variants, self.image_passes, strict=True)]
        return f"Equal compute: images forward and back, patches by their area, pre-training included: {', '.join(each)}."


def all_rows(result: Any) -> tuple[Any, ...]:
    """The rows of all trained networks of a result, those at equal compute last."""
    found: tuple[Any, ...] = result.rows
    return found if result.equal_compute is None else (*found, *result.equal_compute.rows)


def pretraining_records(rows: tuple[PretrainingRow, ...]) -> list[dict[str, Any]]:
    """The rows as flat records, for CSV; without the seconds."""
    return [_record(row) for row in rows]


def _record(row: PretrainingRow) -> dict[str, Any]:
    nested = ("before", "after", "linear_gain", "neighbours_gain", "seconds", "cpu_seconds")
    found = {name: value for name, value in vars(row).items() if name not in nested}
    for when, one in (("before", row.before), ("after", row.after)):
        for name in ("linear", "neighbours"):
            found |= flat(f"{name}_{when}", None if one is None else getattr(one, name))
        found |= {f"{name}_{when}": None if one is None else getattr(one, name) for name in ("alignment", "uniformity")}
    return found | flat("linear_gain", row.linear_gain) | flat("neighbours_gain", row.neighbours_gain)


PROBE_COLUMNS = ("", "gain, points", "before", "after")
"""Heads of a table with the cells of `probe_cells`; shares are in percent."""


class ProbeTable(NamedTuple):
    """Figures of features before and after pre-training, as a title and rows of text."""

    title: str
    rows: tuple[tuple[str, ...], ...]


def probe_table(rows: Sequence[PretrainingRow], gains: Sequence[ProbeGain]) -> ProbeTable | None:
    """What features told before and after; of a comparison as means over seeds. None if nothing was measured."""
    if gains:
        several = len({one.variant for one in gains}) > 1
        title = f"features before and after pre-training, means over {count(gains[0].gain.n, 'seed')}"
        return ProbeTable(title, tuple(_gain_cells(one, several=several) for one in gains))
    if len(rows) != 1 or not (found := _probe_cells(rows[0])):
        return None
    n = rows[0].linear_gain.n if rows[0].linear_gain is not None else 0
    return ProbeTable(f"features before and after pre-training, {count(n, 'test image')}", tuple(found))


def _gain_cells(one: ProbeGain, *, several: bool) -> tuple[str, ...]:
    name = f"{one.probe}, %" + (f", {one.variant}" if several else "")
    return name, percent(one.gain), f"{100 * one.before:.1f}", f"{100 * one.after:.1f}"


def _probe_cells(row: PretrainingRow) -> list[tuple[str, ...]]:
    before, after = row.before, row.after
    if before is None or after is None:
        return []
    found: list[tuple[str, ...]] = [
        (f"{LINEAR}, %", percent(row.linear_gain), percent(before.linear), percent(after.linear)),
        (f"{NEIGHBOURS}, %", percent(row.neighbours_gain), percent(before.neighbours), percent(after.neighbours)),
    ]
    for name in ("alignment", "uniformity"):
        one, other = getattr(before, name), getattr(after, name)
        if one is not None and other is not None:
            found.append((name, "", f"{one:.3f}", f"{other:.3f}"))
    return found


def pretraining_answer(row: PretrainingRow) -> str:
    """What pre-training alone did, in a sentence."""
    found = (
        f"pre-trained by {row.method} on {count(row.n_images, 'image')} in {count(row.epochs, 'epoch')}, loss {row.loss:.3f}"
    )
    if row.after is None or row.linear_gain is None:
        return found
    right = f"{percent(row.after.linear, '%')} of {count(row.after.linear.n, 'test image')} right by a linear probe"
    return f"{found}; {right}, {points(row.linear_gain)} against initial weights"
