"""The files of `dlcli attack -o DIR`: the images, figures of some of them and of the hidden layer, and a report page."""

from pathlib import Path

import numpy as np

from dlcli.core.html_report.figures import AdversarialExample, example_grid, png
from dlcli.engines.attack.hidden_layer import HiddenLayerFigures, hidden_layer_figures
from dlcli.engines.attack.images import AttackedImages, pictured_network, save_images
from dlcli.engines.attack.page import attack_page
from dlcli.specs.attack import AttackResult
from dlcli.support.atomic import atomic_path, write_text

_MOST_EXAMPLES = 8


def write_report(folder: Path, result: AttackResult, images: AttackedImages) -> None:
    """Write adversarial.npz, examples.png, report.html and, with a hidden layer to draw, tsne.png to `folder`, atomically."""
    save_images(folder / "adversarial.npz", images)
    eps = result.headline.eps
    title = f"{result.method}, eps {eps:g}: true → predicted by {pictured_network(result)}"
    shown = examples(images, eps)
    with atomic_path(folder / "examples.png") as temporary:
        temporary.write_bytes(png(example_grid(shown, eps=eps, title=title)))
    hidden = hidden_layer_figures(images, result)
    _write_hidden(folder / "tsne.png", hidden)
    write_text(folder / "report.html", attack_page(result, shown, hidden).html())


def _write_hidden(path: Path, hidden: HiddenLayerFigures) -> None:
    if hidden.picture is None:
        path.unlink(missing_ok=True)  # from an earlier run
        return
    with atomic_path(path) as temporary:
        temporary.write_bytes(png(hidden.picture))


def examples(images: AttackedImages, eps: float) -> list[AdversarialExample]:
    """Up to eight images in the order of the data: first those that changed from right to wrong, then the others."""
    was_right = images.predicted_clean == images.labels
    is_right = images.predicted[eps] == images.labels
    order = np.argsort(~(was_right & ~is_right), kind="stable")[:_MOST_EXAMPLES]
    return [
        AdversarialExample(
            clean=images.clean[k],
            adversarial=images.adversarial[eps][k],
            true=_name(images, images.labels[k]),
            predicted_clean=_name(images, images.predicted_clean[k]),
            predicted_adversarial=_name(images, images.predicted[eps][k]),
        )
        for k in order
    ]


def _name(images: AttackedImages, label: int) -> str:
    """The name of a class; a network may have more outputs than the data has classes."""
    return images.classes[label] if label < len(images.classes) else str(label)
