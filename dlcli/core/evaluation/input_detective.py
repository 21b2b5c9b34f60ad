"""Finds how a trained network was fed (scale, mean and standard deviation, order of colours) from a few images.

Each way to feed it is tried. Where the network has batch normalisation, what reaches the first of these layers is compared with
the statistics they recorded in training. Elsewhere labels decide, by the cross-entropy at the best temperature; without labels
only what is plain: saturated predictions, or predictions that hardly depend on the image. Nothing is applied here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.compute.rng import generator
from dlcli.core.evaluation import input_evidence as evidence
from dlcli.core.layers.normalise import normalisation_of, normalised, without_normalisation
from dlcli.specs.input_diagnosis import BATCH_NORM, LABELS, PREDICTIONS, Feeding, InputDiagnosis
from dlcli.specs.normalise import parse_normalisation
from dlcli.support.plural import count

_COLOUR = ("none", "imagenet", "0.5/0.5", "0-255", "cifar10", "123.68,116.779,103.939/1")
_GREY = ("none", "mnist", "0.5/0.5", "0-255", "0.286/0.353", "0.449/0.226")
"""The usual ways, the most frequent first. The last of colour are Caffe's; of grey, Fashion-MNIST's and ImageNet's."""

PIXELS = 2**20
"""How many pixels are passed through the network at most in each way: 20 images of 224x224, 256 small ones."""
_LEAST, _LEAST_PREDICTED, _MOST = 20, 48, 256
BUDGET = 1e12
"""Multiply-adds that the search may take where predictions decide, unless the task at hand takes more."""
_RESAMPLES, _SURE = 200, 0.99

_FITS, _RATIO, _STEP = 0.15, 1.2, 0.003
"""Batch normalisation: the misfit up to which a way fits, and how much worse the one in use must fit."""
_NONE_FITS, _PLAIN = 0.5, 0.6
"""The misfit of the best way from which on none fits; how badly the one in use must fit where images may be of another kind."""
_TIE = 1.15
_FINALISTS = 2
"""Predictions: how many of the best ways of a third of the images are compared on all."""
_Z, _ALIKE, _GAIN, _ABOVE_CHANCE = 3.0, 2.0, 0.05, 0.9
"""Labels: by how many standard errors, and nats, the better way must win, and how far below log(classes) it must be."""
_FEW, _FAINT = 8, 0.5
"""The least number of images for a verdict; the share of the loss that is left where predictions were far too faint."""
_SATURATED, _UNINFORMATIVE, _INFORMED, _INFORMATION = 40.0, 0.5, 0.8, 0.6
"""Predictions: the median margin of logits that training does not reach; shares of the information to be had that are too
little and enough; the share of the possible information below which a network has learned too little to tell."""


@dataclass(frozen=True)
class _Trial:
    """A network, a few images with their outputs (None without labels), and the way in which it is fed now."""

    model: nn.Module
    x: Tensor
    y: Tensor | None
    current: str

    def first(self, n: int) -> "_Trial":
        """The same for n images that are spread over all."""
        picked = torch.linspace(0, len(self.x) - 1, max(n, 1)).long()
        return replace(self, x=self.x[picked], y=None if self.y is None else self.y[picked])

    def fed(self, name: str) -> nn.Module:
        return normalised(self.model, name)


def hypotheses(x: Tensor, current: str) -> tuple[str, ...]:
    """The ways that are tried on images `x` (n, c, ...): the one in use first, that of the images' own statistics last."""
    channels = x.shape[1]
    names: tuple[str, ...] = _COLOUR if channels == 3 else _GREY
    names = (*names, *(swapped(name) for name in names)) if channels == 3 else names
    dims = [0, *range(2, x.dim())]
    mean, std = x.mean(dims), x.std(dims).clamp_min(1e-3)
    own = "/".join(",".join(f"{value:.3f}" for value in side.tolist()) for side in (mean, std))
    return tuple(dict.fromkeys((current, *names, parse_normalisation(own).name)))


def swapped(name: str) -> str:
    """The same normalisation of each colour, for a network that takes the colours in the other order."""
    base, ending = (name.removesuffix(":bgr"), "") if name.endswith(":bgr") else (name, ":bgr")
    return "/".join(",".join(side.split(",")[::-1]) for side in base.split("/")) + ending


def images_needed(model: nn.Module, pixels: int) -> int:
    """How many images of `pixels` pixels each are looked at: fewer where every place of an image tells something of its own."""
    least, most = (_LEAST, PIXELS) if evidence.recorded_layers(model) else (_LEAST_PREDICTED, 2 * PIXELS)
    return max(least, min(_MOST, most // pixels))


def diagnose_input(
    model: nn.Module, x: Tensor, y: Tensor | None, *, task_size: int = 0, only_statistics: bool = False
) -> InputDiagnosis:
    """Try the ways to feed `model`, behind the normalisation that it has now, on a few images.

    Args:
        model: A network on the device of `x`.
        x: Images (n, c, h, w) or clips (n, c, t, h, w) in [0, 1], best `images_needed` of all classes.
        y: Outputs that are right, (n,); None if unknown.
        task_size: How many images the task at hand passes through the network, which bounds the cost; 0 for no bound.
        only_statistics: Whether the network is yet to be trained on these images, which may be of another kind than those it
            knows, with another last layer: then batch normalisation alone is looked at, and decides only what is plain.

    Returns:
        The table of ways, the best one, and whether it is sure.
    """
    trial = _Trial(without_normalisation(model), x, y, normalisation_of(model))
    names = hypotheses(x, trial.current)
    if evidence.recorded_layers(model):
        return _by_statistics(trial, names, plain=only_statistics)
    if only_statistics or evidence.is_fresh(model):
        return InputDiagnosis(evidence="", current=trial.current, n=0)
    if not _affordable(trial, len(names), task_size):
        return InputDiagnosis(evidence="", current=trial.current, n=0, too_long=True)
    return _by_predictions(trial, names)


def _affordable(trial: _Trial, ways: int, task_size: int) -> bool:
    if not task_size:
        return True
    # All ways on a third of the images, then the best ones, those of the other order of colours and the one in use on all.
    passes = len(trial.x) * (ways / 3 + 2 * (_FINALISTS + 1))
    return passes <= task_size or passes * evidence.multiply_adds(trial.model, trial.x) <= BUDGET


def _by_statistics(trial: _Trial, names: Sequence[str], *, plain: bool) -> InputDiagnosis:
    n = len(trial.x)
    layers = {name: found for name in names if (found := evidence.layer_inputs(trial.fed(name), trial.x))}
    every = torch.arange(n)
    fits = {name: evidence.misfit(found, every) for name, found in layers.items()}
    blank = InputDiagnosis(
        evidence=BATCH_NORM,
        current=trial.current,
        n=n,
        feedings=tuple(Feeding(normalise=name, misfit=fits[name]) for name in fits),
    )
    if trial.current not in fits:
        return blank
    lowest, now = min(fits.values()), fits[trial.current]
    best = next(name for name in (*names[1:], names[0]) if name in fits and fits[name] <= _TIE * lowest + _STEP / 3)
    if lowest >= _NONE_FITS and n >= _FEW:
        return replace(blank, warning=_none_fits(blank, lowest, min(fits, key=lambda name: fits[name])))
    if plain and now < _PLAIN:
        return replace(blank, best=best)
    sure = fits[best] <= _FITS and now > _RATIO * fits[best] + _STEP and _wins_again(layers[best], layers[trial.current], n)
    return _decided(blank, best, sure=sure and best != trial.current)


def _wins_again(best: list[evidence.LayerInputs], now: list[evidence.LayerInputs], n: int) -> bool:
    """Whether the first fits better than the second in nearly all resamples of the images."""
    if n < _FEW:  # too few to resample
        every = torch.arange(n)
        return evidence.misfit(now, every) > max(1.0, 4 * evidence.misfit(best, every))
    draws = torch.randint(n, (_RESAMPLES, n), generator=generator(0))
    return sum(evidence.misfit(best, draw) < evidence.misfit(now, draw) for draw in draws) >= _SURE * _RESAMPLES


def _by_predictions(trial: _Trial, names: Sequence[str]) -> InputDiagnosis:
    some = trial.first(len(trial.x) // 3)
    plain = [name for name in names if name == trial.current or not name.endswith(":bgr")]
    first = _judged(some, plain)
    close = sorted(first.feedings, key=lambda row: -(row.information or 0) if row.loss is None else row.loss)[:_FINALISTS]
    picked = dict.fromkeys((trial.current, first.best, *(row.normalise for row in close)))
    colours = [swapped(name) for name in (first.best, trial.current) if name and trial.x.shape[1] == 3]
    final = _judged(trial, list(dict.fromkeys((*filter(None, picked), *colours))))
    seen = {row.normalise for row in final.feedings}
    # A count among fewer images must not stand beside one among all.
    others = (replace(row, right=None) for row in first.feedings if row.normalise not in seen)
    return replace(final, feedings=(*final.feedings, *others))


def _judged(trial: _Trial, names: Sequence[str]) -> InputDiagnosis:
    logits = {name: found for name in names if (found := evidence.finite_logits(trial.fed(name), trial.x)) is not None}
    rows = tuple(_feeding(name, found, trial.y) for name, found in logits.items())
    blank = InputDiagnosis(evidence=PREDICTIONS, current=trial.current, n=len(trial.x), feedings=rows)
    if trial.current not in logits or next(iter(logits.values())).shape[1] < 2:
        return blank
    return _by_margins(blank, logits) if trial.y is None else _by_labels(blank, logits, trial.y)


def _feeding(name: str, logits: Tensor, y: Tensor | None) -> Feeding:
    return Feeding(
        normalise=name,
        margin=evidence.median_margin(logits) if logits.shape[1] > 1 else None,
        information=evidence.information(logits),
        right=None if y is None else int((logits.argmax(1) == y).sum()),
        loss=None if y is None else float(evidence.calibrated_losses(logits, y).mean()),
    )


def _by_labels(blank: InputDiagnosis, logits: dict[str, Tensor], y: Tensor) -> InputDiagnosis:
    """By the loss at the best temperature, then by the loss itself; no verdict if no way is better than chance."""
    losses = {name: evidence.calibrated_losses(found, y) for name, found in logits.items()}
    lowest = min(losses, key=lambda name: float(losses[name].mean()))
    if float(losses[lowest].mean()) > _ABOVE_CHANCE * log(next(iter(logits.values())).shape[1]) or len(y) < _FEW:
        return blank
    raw = {name: cross_entropy(found, y, reduction="none") for name, found in logits.items()}
    alike = [name for name in _usual(blank) if _z(losses[name], losses[lowest]) < _ALIKE]
    least = min(alike, key=lambda name: float(raw[name].mean()))
    enough = 1.1 * float(raw[least].mean()) + 0.02  # as good in practice, and more usual
    best = next(name for name in alike if _z(raw[name], raw[least]) < _ALIKE or float(raw[name].mean()) <= enough)
    rows = {row.normalise: row for row in blank.feedings}
    now, other = rows[blank.current], rows[best]
    saturated = (now.margin or 0) >= _SATURATED > (other.margin or 0)
    loss, lower = float(raw[blank.current].mean()), float(raw[best].mean())
    # A network may well be too sure where it is fed rightly, so its own loss tells only that it is far from sure enough.
    faint = (now.margin or 0) < (other.margin or 0) and lower < _FAINT * loss and loss - lower > _FAINT / 2
    worse = float((losses[blank.current] - losses[best]).mean()) > _GAIN and _z(losses[blank.current], losses[best]) >= _Z
    sure = (worse or saturated or faint) and (other.right or 0) >= (now.right or 0) - saturated * len(y) // 50
    return _decided(replace(blank, evidence=LABELS), best, sure=sure and best != blank.current)


def _usual(blank: InputDiagnosis) -> list[str]:
    """The ways in the order of how usual they are; those that saturate last."""
    order = (*_COLOUR, *_GREY)
    rows = sorted(blank.feedings, key=lambda row: order.index(row.normalise) if row.normalise in order else len(order))
    return [row.normalise for row in sorted(rows, key=lambda row: (row.margin or 0) >= _SATURATED)]


def _z(worse: Tensor, better: Tensor) -> float:
    """The mean paired difference in standard errors."""
    gap = worse - better
    return float(gap.mean() / (gap.std() / len(gap) ** 0.5).clamp_min(1e-9))


def _by_margins(blank: InputDiagnosis, logits: dict[str, Tensor]) -> InputDiagnosis:
    """Only what is plain: the way in use saturates, or tells images apart far less than another that is as decided."""
    now = blank.current
    told = {row.normalise: row.information or 0.0 for row in blank.feedings if (row.margin or 0) < _SATURATED}
    if not told or blank.n < _FEW:
        return blank
    most = max(told.values())
    margins = {name: float(evidence.relative_margins(found).mean()) for name, found in logits.items()}
    informed = [name for name in _usual(blank) if told.get(name, 0.0) >= _INFORMED * most]
    if not informed:
        return blank
    best = next(name for name in informed if margins[name] >= _INFORMED * max(margins[other] for other in informed))
    wrong = now not in told or (told[now] < _UNINFORMATIVE * most and margins[now] < margins[best])
    enough = most > _INFORMATION * log(min(blank.n, next(iter(logits.values())).shape[1]))
    return _decided(blank, best, sure=wrong and now != best and enough)


def _decided(blank: InputDiagnosis, best: str, *, sure: bool) -> InputDiagnosis:
    found = replace(blank, best=best, sure=sure)
    return replace(found, warning=_warning(found) if sure else "", confirmed=_confirmed(found))


def _confirmed(found: InputDiagnosis) -> str:
    now = next(row for row in found.feedings if row.normalise == found.current)
    if found.evidence == PREDICTIONS or found.best != found.current or (now.misfit or 0) > _FITS or found.n < _FEW:
        return ""
    of, ways = count(found.n, "image"), f"the best of {len(found.feedings)} ways"
    if found.evidence == BATCH_NORM:
        figures = f"their inputs are {now.misfit:.3g} nats from those of its training"
        return f"the network's batch normalisations confirm `normalise={found.current}`, {ways}: {figures} ({of})"
    return f"labels confirm `normalise={found.current}`, {ways}: {now.right} of {of} are right"


def _none_fits(found: InputDiagnosis, lowest: float, closest: str) -> str:
    nats = f"{lowest:.3g} nats from those of its training by `normalise={closest}`, the closest of {len(found.feedings)} ways"
    return (
        f"no usual way to feed the network fits: the inputs of its batch normalisations are {nats} "
        f"({count(found.n, 'image')}); these images, or how they are prepared, are unlike those of its training"
    )


def _warning(found: InputDiagnosis) -> str:
    rows = {row.normalise: row for row in found.feedings}
    now, best, of = rows[found.current], rows[found.best], count(found.n, "image")
    instead = f"with {found.best}"
    if found.evidence == BATCH_NORM:
        figures = f"{now.misfit:.3g} nats from those of its training, {instead} {best.misfit:.3g}"
        why = f"the inputs of its batch normalisations are {figures}"
    elif found.evidence == LABELS:
        why = f"{now.right} of {of} are right, {instead} {best.right}"
    else:
        why = f"its predictions have a median margin of {now.margin:.3g} and tell {now.information:.2f} nats, "
        why += f"{instead} {best.margin:.3g} and {best.information:.2f}"
    return f"the network seems to be fed wrongly by `normalise={found.current}`: {why} ({of}); pass `normalise={found.best}`"
