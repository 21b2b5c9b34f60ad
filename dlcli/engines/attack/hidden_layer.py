"""Clean images and their adversarial twins in the network's last hidden layer: a picture, and what the picture cannot say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dlcli.core.data.base import choose
from dlcli.core.graph.last_hidden import NEIGHBOURS, hidden_features, neighbours_agree
from dlcli.core.html_report.embedding import Cloud, embed, embedding_plot
from dlcli.core.html_report.figures import png
from dlcli.core.html_report.page import Cell, PageTable, Picture
from dlcli.core.stats import wilson
from dlcli.engines.attack.images import AttackedImages
from dlcli.specs.attack import AttackResult
from dlcli.support.errors import InputError

MOST_POINTS = 1000
"""Of how many images, beside as many twins, t-SNE makes a picture."""

_MOST_COMPARED = 10_000


@dataclass(frozen=True)
class HiddenLayerFigures:
    """What the report says of the hidden layer; `notes` say why something is missing."""

    picture: Picture | None = None
    tables: tuple[PageTable, ...] = ()
    notes: tuple[str, ...] = ()


def add_hidden_features(images: AttackedImages, eps: float, model: nn.Module, device: torch.device) -> AttackedImages:
    """`images` with what the last hidden layer of `model`, which is on `device`, makes of the clean and those at `eps`.

    As they were if it has no such layer. Raises what `hidden_features` raises.
    """
    clean = hidden_features(model, torch.from_numpy(images.clean), device=device)
    twins = None if clean is None else hidden_features(model, torch.from_numpy(images.adversarial[eps]), device=device)
    return images if twins is None else replace(images, hidden_clean=clean, hidden={eps: twins})


def hidden_layer(images: AttackedImages, result: AttackResult) -> HiddenLayerFigures:
    """The picture and the table of the headline's eps."""
    eps = result.headline.eps
    clean, twins = images.hidden_clean, images.hidden.get(eps)
    if clean is None or twins is None:
        return HiddenLayerFigures(notes=("No picture of the last hidden layer: the network does not end in one linear layer.",))
    tables = _tables(images, clean, twins, eps)
    try:
        return HiddenLayerFigures(_picture(images, clean, twins, result), tables)
    except InputError as error:
        return HiddenLayerFigures(None, tables, (f"No picture of the last hidden layer: {error.message}.",))


def _picture(images: AttackedImages, clean: np.ndarray, twins: np.ndarray, result: AttackResult) -> Picture:
    """Raises InputError if there is nothing to embed."""
    eps, picked = result.headline.eps, choose(images.labels, MOST_POINTS)
    labels = images.labels[picked]
    left, right = embed(clean[picked], twins[picked])
    clouds = Cloud(left, images.predicted_clean[picked] == labels), Cloud(right, images.predicted[eps][picked] == labels)
    of = f"{len(picked):,} of {len(images.labels):,}" if len(picked) < len(images.labels) else f"{len(picked):,}"
    title = f"Last hidden layer of the baseline by t-SNE: {result.method}, eps {eps:g} ({result.norm}), n = {of} images"
    return Picture(
        png(embedding_plot(clouds, labels, images.classes, title=title)),
        alt="Two clouds of points, clean images and their adversarial twins, coloured by true class",
        caption="The last hidden layer of the baseline: each point an image, clean on the left, its adversarial twin on the "
        "right, both in one t-SNE embedding; names stand where the clean images of a class lie. It can show which images lie "
        "close together and whether twins have left their class; an attack that stops at its first success leaves them just "
        "outside. It cannot show how far: t-SNE distorts distances, and sizes of clusters and gaps between them mean nothing. "
        "No figure on this page is drawn from it; the table of nearest neighbours is of the layer itself.",
    )


def _tables(images: AttackedImages, clean: np.ndarray, twins: np.ndarray, eps: float) -> tuple[PageTable, ...]:
    """How often neighbours and network agree; nothing where there are too few images to have neighbours."""
    picked = choose(images.labels, _MOST_COMPARED)
    finite = np.isfinite(clean).all() and np.isfinite(twins).all()
    if len(picked) <= NEIGHBOURS or not finite:
        return ()
    labels, said_clean, said = images.labels[picked], images.predicted_clean[picked], images.predicted[eps][picked]
    agree_clean = neighbours_agree(clean[picked], labels, clean[picked], said_clean)
    agree = neighbours_agree(clean[picked], labels, twins[picked], said)
    turned = (said_clean == labels) & (said != labels)
    rows = [
        _row("clean images", agree_clean),
        _row("adversarial images", agree),
        *([_row("of these, turned from right to wrong", agree[turned])] if turned.any() else []),
    ]
    caption = (
        f"In the last hidden layer of the baseline, eps {eps:g}: share of images of whose {NEIGHBOURS} nearest clean images "
        "(Euclidean, its own left out) most are of the class that the network says, with 95% intervals"
    )
    return (PageTable(caption, ["images", "n", "neighbours agree"], rows),)


def _row(name: str, agree: NDArray[np.bool_]) -> Sequence[Cell]:
    found = wilson(float(agree.sum()), len(agree))
    return name, str(found.n), (f"{found.value:.3f}", f"[{found.low:.3f}, {found.high:.3f}]")
