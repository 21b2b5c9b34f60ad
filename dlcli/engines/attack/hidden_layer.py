"""Clean and adversarial images in the network's last hidden layer: a t-SNE figure, and a table of nearest neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from dlcli.core.data.base import choose
from dlcli.core.graph.last_hidden import NEIGHBOURS, hidden_features, neighbours_agree
from dlcli.core.grouped import share_of
from dlcli.core.html_report.embedding import EmbeddedImages, embed, embedding_plot
from dlcli.core.html_report.parts import Cell, Chart, PageTable, Part, percent_cell
from dlcli.core.html_report.vector import svg
from dlcli.engines.attack.images import AttackedImages, pictured_network
from dlcli.specs.attack import AttackResult
from dlcli.support.errors import InputError

MOST_POINTS = 1000
"""How many clean images t-SNE draws at most, beside as many adversarial ones."""

_MOST_COMPARED = 10_000

_CAPTION = (
    "The last hidden layer of {network}: each point is an image, clean on the left, adversarial on the right, "
    "both in one t-SNE embedding; class names are placed at the clean images of the class. It can show which "
    "images are close together and whether adversarial images have left their class; an attack that stops at its "
    "first success leaves them just outside. It cannot show how far: t-SNE distorts distances, and the sizes of "
    "clusters and the gaps between them mean nothing. No number on this page is computed from it; the table of "
    "nearest neighbours uses the layer itself."
)


@dataclass(frozen=True)
class HiddenLayerFigures:
    """The figure of the hidden layer, the parts of the page that show it, and notes on what is missing."""

    picture: Figure | None = None
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()


def add_hidden_features(images: AttackedImages, eps: float, model: nn.Module, device: torch.device) -> AttackedImages:
    """`images` with activations of the last hidden layer, unchanged if the network has none.

    Raises what `hidden_features` raises.

    Args:
        images: Clean and adversarial images.
        eps: For which adversarial images.
        model: The network, on `device`.
        device: Where it runs.
    """
    clean = hidden_features(model, torch.from_numpy(images.clean), device=device)
    adversarial = None if clean is None else hidden_features(model, torch.from_numpy(images.adversarial[eps]), device=device)
    return images if adversarial is None else replace(images, hidden_clean=clean, hidden={eps: adversarial})


def hidden_layer_figures(images: AttackedImages, result: AttackResult) -> HiddenLayerFigures:
    """The figure and the table at the eps of the headline."""
    eps = result.headline.eps
    clean, adversarial = images.hidden_clean, images.hidden.get(eps)
    if clean is None or adversarial is None:
        return HiddenLayerFigures(notes=("No picture of the last hidden layer: the network does not end in one linear layer.",))
    tables = _tables(images, clean, adversarial, result)
    try:
        picture = _picture(images, clean, adversarial, result)
    except InputError as error:
        return HiddenLayerFigures(None, tables, (f"No picture of the last hidden layer: {error.message}.",))
    alt = "Two clouds of points, clean and adversarial images, coloured by true class"
    caption = _CAPTION.format(network=pictured_network(result))
    return HiddenLayerFigures(picture, (Chart(svg(picture, alt=alt), caption), *tables))


def _picture(images: AttackedImages, clean: np.ndarray, adversarial: np.ndarray, result: AttackResult) -> Figure:
    """Raises InputError if there is nothing to embed."""
    eps, picked = result.headline.eps, choose(images.labels, MOST_POINTS)
    labels = images.labels[picked]
    left, right = embed(clean[picked], adversarial[picked])
    clouds = (
        EmbeddedImages(left, images.predicted_clean[picked] == labels),
        EmbeddedImages(right, images.predicted[eps][picked] == labels),
    )
    of = f"{len(picked):,} of {len(images.labels):,}" if len(picked) < len(images.labels) else f"{len(picked):,}"
    what = f"Last hidden layer of {pictured_network(result)} by t-SNE"
    title = f"{what}: {result.method}, eps {eps:g} ({result.norm}), n = {of} images"
    return embedding_plot(clouds, labels, images.classes, title=title)


def _tables(images: AttackedImages, clean: np.ndarray, adversarial: np.ndarray, result: AttackResult) -> tuple[PageTable, ...]:
    """How often neighbours and network agree; empty with too few images to have neighbours."""
    eps = result.headline.eps
    picked = choose(images.labels, _MOST_COMPARED)
    finite = np.isfinite(clean).all() and np.isfinite(adversarial).all()
    if len(picked) <= NEIGHBOURS or not finite:
        return ()
    labels, before, predicted = images.labels[picked], images.predicted_clean[picked], images.predicted[eps][picked]
    agree_clean = neighbours_agree(clean[picked], labels, clean[picked], before)
    agree = neighbours_agree(clean[picked], labels, adversarial[picked], predicted)
    turned = (before == labels) & (predicted != labels)
    group = None if images.group is None else images.group[picked]
    rows = [_row("clean images", agree_clean, group), _row("adversarial images", agree, group)]
    if turned.any():
        of_turned = None if group is None else group[turned]
        rows.append(_row("of these, turned from right to wrong", agree[turned], of_turned))
    caption = (
        f"Last hidden layer of {pictured_network(result)} at eps {eps:g}: share of images whose {NEIGHBOURS} nearest clean "
        "images (L2 distance, excluding the image itself) mostly have the predicted class, in %, with 95% intervals"
    )
    return (PageTable(caption, ["images", "neighbours agree", "n"], rows),)


def _row(name: str, agree: NDArray[np.bool_], group: NDArray[np.int64] | None) -> Sequence[Cell]:
    found = share_of(agree, group)
    return name, percent_cell(found), str(found.n)
