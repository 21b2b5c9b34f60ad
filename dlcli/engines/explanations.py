"""Maps of what predictions depend on, for `dlcli eval` and `dlcli predict`: made, checked, described and written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import FILE, Split
from dlcli.core.explain import METHODS
from dlcli.core.explain.base import ExplainSettings, Maps, Target, predicted_classes
from dlcli.core.explain.faithfulness import DeletionCheck
from dlcli.core.explain.methods.occlusion import window_side
from dlcli.core.model_io.score_metadata import task_of
from dlcli.engines.model_and_data import LoadedModel
from dlcli.specs.estimates import PointEstimate
from dlcli.specs.eval import EvalConfig
from dlcli.specs.explain import Explanation, Faithfulness
from dlcli.specs.figures import number_in_units, percent, scaled
from dlcli.specs.predict import PredictConfig
from dlcli.support.atomic import atomic_path
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.seeds import derive

if TYPE_CHECKING:
    from dlcli.core.explain.plots import ExplainedImage

TARGET, SCORE_TARGET = "logit of the predicted class", "predicted score"
_OCCLUSION = "occlusion"


@dataclass(frozen=True)
class Explained:
    """Maps of some images `x` (n, c, h, w), their predicted and true classes, None if not known, and what is reported."""

    x: Tensor
    maps: Maps
    predicted: tuple[str, ...]
    true: tuple[str | None, ...]
    explanation: Explanation
    notes: tuple[str, ...]

    def images(self) -> Iterator["ExplainedImage"]:
        """Each image with its maps, for pictures."""
        from dlcli.core.explain.plots import ExplainedImage  # here, since it imports matplotlib

        pairs = zip(self.explanation.names, self.predicted, self.true, strict=True)
        for k, (name, predicted, true) in enumerate(pairs):
            image, signed, strength = (one[k].numpy() for one in (self.x, self.maps.signed, self.maps.strength))
            yield ExplainedImage(name, image, signed, strength, predicted, true)


def explain(
    config: EvalConfig | PredictConfig,
    loaded: LoadedModel,
    examples: Split,
    indices: Sequence[int],
    report: Reporter,
    *,
    labelled: bool,
    groups: NDArray[np.int64] | None = None,
) -> Explained:
    """Make maps of some examples and check them.

    Args:
        config: The method and its settings.
        loaded: The network and the data.
        examples: The split.
        indices: Which of its examples, from 0.
        report: Receives progress.
        labelled: Whether the classes of the examples are known.
        groups: The group of each of these examples; None if they are independent.

    Returns:
        The maps and what is reported.

    Raises:
        InputError: For videos, and for a network that the method cannot explain.
    """
    if loaded.data.frames is not None:
        raise InputError(f"`explain` takes images, and {loaded.data.name} has videos")
    method = METHODS.module(config.explain or "")
    window = None if config.window is None else int(config.window)
    settings = ExplainSettings(window=window, baseline=config.baseline or "mean", device=loaded.device)
    model, x = loaded.trained.model, to_float(examples.x[list(indices)])
    with report.task(f"explaining {count(len(x), 'image')} by {config.explain}"):
        answers = _answers(config, loaded, examples, indices, loaded.logits(x), labelled=labelled)
        target, seed = answers.target, derive(config.seed, "explain")
        maps = method.explain(model, x, target, settings)
        # A score may go either way where something is hidden, which then matters as much.
        absolute = answers.name == SCORE_TARGET
        found = DeletionCheck(model, x, target, settings, absolute=absolute, seed=seed, groups=groups).run(method, maps)
    explanation = Explanation(
        method=config.explain or "",
        window=window_side((x.shape[2], x.shape[3]), window) if config.explain == _OCCLUSION else None,
        baseline=settings.baseline,
        target=answers.name,
        images=tuple(indices),
        names=_file_names(config.explain or "", indices, examples),
        faithfulness=found,
    )
    notes = tuple(note for note in (*_verdicts(explanation), maps.note) if note)
    return Explained(x, maps, answers.predicted, answers.true, explanation, notes)


class _Answers(NamedTuple):
    """The number of each image that is explained, what it is called, and what was predicted and is true, as texts."""

    target: Target
    name: str
    predicted: tuple[str, ...]
    true: tuple[str | None, ...]


def _answers(
    config: EvalConfig | PredictConfig,
    loaded: LoadedModel,
    examples: Split,
    indices: Sequence[int],
    outputs: Tensor,
    *,
    labelled: bool,
) -> _Answers:
    truth, scores = examples.y[list(indices)].tolist(), task_of(config.model, config.ensemble).scores
    if scores is not None:
        predicted = tuple(number_in_units(value) for value in scores.objective.value(outputs.double()).tolist())
        true = tuple(f"{value:g}" if labelled else None for value in truth)
        value = scores.objective.value
        return _Answers(lambda outputs, rows: value(outputs), SCORE_TARGET, predicted, true)
    names = loaded.names(outputs.shape[1])
    predicted = tuple(names[k] for k in outputs.argmax(1))
    true = tuple(names[k] if labelled else None for k in truth)
    return _Answers(predicted_classes(outputs), TARGET, predicted, true)


def _file_names(method: str, indices: Sequence[int], examples: Split) -> tuple[str, ...]:
    """The names of files without ending: by the file of each image if these differ, else by its index."""
    files = examples.metadata.get(FILE)
    stems = [PurePath(str(files[k])).stem for k in indices] if files is not None else []
    width = len(str(max(indices)))
    chosen = stems if len(set(stems)) == len(indices) else [f"{k:0{width}}" for k in indices]
    return tuple(f"{name}-{method}" for name in chosen)


def _verdicts(found: Explanation) -> list[str]:
    """What the check says, in sentences."""
    check = found.faithfulness
    decimals, images = _decimals(check.change), count(len(found.images), "image")
    elsewhere = scaled(check.minus_elsewhere, decimals=decimals)
    first = (
        f"Hiding the {100 * check.hidden:.0f}% of pixels with the highest values ({found.method}, {images}) "
        f"{_verb(check)} the {found.target} by {abs(check.change):.{decimals}f}; against a region like it at a random place: "
        f"{elsewhere}"
    )
    if isinstance(check.minus_elsewhere, PointEstimate):
        return [f"{first}."]
    so = "so the maps are faithful" if check.faithful else "so do not rely on these maps"
    verdict = f"{_named(check.faithful)}, {so}"
    lines = [f"{first}, {verdict}."]
    if check.other_class is not None:
        against = percent(check.other_class_minus_elsewhere, " points")
        lines.append(
            f"It changes the predicted class of {100 * check.other_class:.0f}% of the images; against such a region: "
            f"{against}, {_named(check.decides)}."
        )
    if check.minus_shuffled is not None:
        shuffled = scaled(check.minus_shuffled, decimals=decimals)
        what = "change" if check.other_class is None else "fall"
        lines.append(
            f"The {what} minus that by maps of the network with shuffled weights: {shuffled}, {_named(check.learned)}."
        )
    return lines


def _verb(check: Faithfulness) -> str:
    """What hiding pixels does: of a score any change counts, of a logit its fall."""
    if check.other_class is None:
        return "changes"
    return "lowers" if check.change >= 0 else "raises"


def _named(established: bool) -> str:
    return "established" if established else "not established"


def _decimals(value: float) -> int:
    """How many digits behind the point show three digits of a number, which may have any scale."""
    return 2 if value == 0 else min(9, max(0, 2 - floor(log10(abs(value)))))


def write_maps(folder: Path, explained: Explained) -> None:
    """Write NAME.png, NAME.npy (how much each pixel matters) and NAME-signed.npy, (h, w) float32, for each image."""
    from dlcli.core.explain.plots import map_plot  # here, since it imports matplotlib
    from dlcli.core.html_report.figures import png

    for one in explained.images():
        with atomic_path(folder / f"{one.name}.png") as temporary:
            temporary.write_bytes(png(map_plot(one, target=explained.explanation.target)))
        for ending, values in (("", one.strength), ("-signed", one.signed)):
            with atomic_path(folder / f"{one.name}{ending}.npy") as temporary, open(temporary, "wb") as file:
                np.save(file, values)
