"""A picture of a hidden layer: t-SNE of images and of their adversarial examples, side by side in one embedding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dlcli.core.html_report.figures import COLOURS, short_label
from dlcli.support.errors import InputError
from dlcli.support.plural import count

FEWEST = 6
"""Fewer images have no meaningful neighbours."""

# The colours of figures.py and three more; with any colour vision they differ from the others as much as those do.
_CLASS_COLOURS = (*COLOURS, "#f0e442", "#7a0019", "#c8c8c8")
_OTHERS = -1
_NAMED = 8
_RIGHT, _WRONG = "o", "X"
_EDGE = "#40404a"


@dataclass(frozen=True)
class EmbeddedImages:
    """Images as points (n, 2) of an embedding, and which of them the network classifies correctly, (n,)."""

    points: NDArray[np.floating]
    right: NDArray[np.bool_]


class Embedding(NamedTuple):
    """Points (n, 2) of images and of their adversarial examples in one embedding."""

    clean: NDArray[np.floating]
    adversarial: NDArray[np.floating]


def embed(clean: NDArray[np.floating], adversarial: NDArray[np.floating], *, seed: int = 0) -> Embedding:
    """Embed images and their adversarial examples together by t-SNE.

    Barnes-Hut t-SNE (Van der Maaten 2014, JMLR 15, 3221-3245), initialised by the first two principal components, with a
    perplexity of 30, or of a third of n - 1 if that is less. The same features and seed give the same points.

    Args:
        clean: Hidden features of the images, (n, d).
        adversarial: Those of their adversarial examples, (n, d).
        seed: Of t-SNE.

    Returns:
        The points.

    Raises:
        InputError: For fewer than `FEWEST` images, fewer than two units, values that are not finite, or features that are all
            equal. The message is the reason only.
    """
    from sklearn.manifold import TSNE  # here, for these take a second to import
    from threadpoolctl import threadpool_limits

    n = len(clean)
    perplexity = min(30.0, (n - 1) / 3)
    both = _scaled(np.concatenate([clean, adversarial]).astype(np.float64), n)
    # In one thread: sums over several depend on their number, and t-SNE makes a difference in the last bit a large one.
    with threadpool_limits(limits=1):
        points = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(both)
    return Embedding(points[:n], points[n:])


def _scaled(features: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Centre the features and scale them to [-1, 1], which t-SNE does not notice; refuses those that cannot be embedded."""
    if n < FEWEST:
        raise InputError(f"{count(n, 'image')} {'is' if n == 1 else 'are'} too few to have neighbours")
    if features.shape[1] < 2:
        raise InputError("the last hidden layer has only one unit")
    if not np.isfinite(features).all():
        raise InputError("the last hidden layer has values that are not finite")
    if (features == features[0]).all():
        raise InputError("all images are the same in the last hidden layer")
    centred = features - features.mean(0)
    scaled: NDArray[np.float64] = centred / np.abs(centred).max()
    return scaled


def embedding_plot(
    clouds: tuple[EmbeddedImages, EmbeddedImages], labels: NDArray[np.integer], names: Sequence[str], *, title: str
) -> Figure:
    """Draw images and their adversarial examples in two panels, coloured by class, with a cross where misclassified.

    Of more than ten classes, the nine with most images get their own colours and the others share one. A class with more than
    a few images is labelled at the clean image nearest to its middle, in both panels.

    Args:
        clouds: The clean images and the adversarial examples.
        labels: True classes, (n,).
        names: Names of the classes.
        title: Of the figure.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(10.4, 5.9), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    groups = _groups(labels)
    for axes, name, cloud in zip(panels, ("clean", "adversarial"), clouds, strict=True):
        _scatter(axes, cloud, labels, groups)
        _name_classes(axes, clouds[0].points, labels, groups, names)
        wrong = int((~cloud.right).sum())
        axes.set_title(f"{name}: {len(cloud.right) - wrong:,} right, {wrong:,} wrong", fontsize=11)
    handles = [_handle(_RIGHT, _colour(groups, group), _named(names, group)) for group in groups]
    handles += [_handle(_RIGHT, "white", "right"), _handle(_WRONG, "white", "wrong")]
    legend = figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles) if len(handles) < 8 else -(-len(handles) // 2),
        fontsize=9,
        frameon=False,
        title="colour: true class; cross: misclassified",
        title_fontsize=9,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    figure.suptitle(title, fontsize=11, parse_math=False)
    return figure


def _groups(labels: NDArray[np.integer]) -> list[int]:
    """The classes with their own colours, in order, and `_OTHERS` last if there are more."""
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) <= len(_CLASS_COLOURS):
        return [int(label) for label in classes]
    most = np.argsort(-counts, kind="stable")[: len(_CLASS_COLOURS) - 1]
    return [*sorted(int(label) for label in classes[most]), _OTHERS]


def _colour(groups: Sequence[int], group: int) -> str:
    return _CLASS_COLOURS[-1] if group == _OTHERS else _CLASS_COLOURS[groups.index(group)]


def _named(names: Sequence[str], group: int) -> str:
    """The name of a class; a network may have more outputs than the data has classes."""
    if group == _OTHERS:
        return "other classes"
    return short_label(names[group]) if group < len(names) else str(group)


def _scatter(axes: Axes, cloud: EmbeddedImages, labels: NDArray[np.integer], groups: Sequence[int]) -> None:
    """All points: crosses above the others, and classes with their own colours above the rest."""
    own = np.where(np.isin(labels, groups), labels, _OTHERS)
    size = float(np.clip(9000 / len(labels), 14, 60))
    for marker, picked, grown, alpha in ((_RIGHT, cloud.right, 1.0, 0.75), (_WRONG, ~cloud.right, 2.0, 1.0)):
        for group in reversed(groups):
            x, y = cloud.points[(own == group) & picked].T
            drawn = axes.scatter(x, y, s=grown * size, marker=marker, alpha=alpha, linewidths=0.35)
            drawn.set(facecolor=_colour(groups, group), edgecolor=_EDGE)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#c0c0c8")


def _name_classes(
    axes: Axes, points: NDArray[np.floating], labels: NDArray[np.integer], groups: Sequence[int], names: Sequence[str]
) -> None:
    """A name at each class that has enough points not to be hidden by it."""
    halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    texts = {group: _named(names, group) for group in groups if group != _OTHERS}
    size = 12 if max(map(len, texts.values())) <= 3 else 8
    for group, text in texts.items():
        own = points[labels == group]
        if len(own) >= _NAMED:
            x, y = _middle(own)
            look = {"size": size, "weight": "bold", "ha": "center", "va": "center"}
            axes.text(x, y, text, look, path_effects=halo, parse_math=False)


def _middle(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """The medoid of points (n, 2): of a class in two parts it lies in one of them, where the mean would lie between."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=2).sum(1)
    found: NDArray[np.floating] = points[apart.argmin()]
    return found


def _handle(marker: str, colour: str, label: str) -> Line2D:
    return Line2D(
        [], [], linestyle="", marker=marker, markersize=7, color=colour, markeredgecolor=_EDGE, markeredgewidth=0.6, label=label
    )
