"""Predict masks for pictures and write them as PNG files: what `dlcli predict` does with a network that predicts masks."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import FILE, Split
from dlcli.core.data.image_file import open_image, upright
from dlcli.core.evaluation.mask_pictures import mask_png, overlay_png
from dlcli.core.evaluation.mask_prediction import picture_logits
from dlcli.core.model_io.mask_metadata import SavedMasks
from dlcli.engines.model_and_data import LoadedModel
from dlcli.specs.masks import refuse_of_masks
from dlcli.specs.predict import PredictConfig
from dlcli.support.atomic import atomic_path
from dlcli.support.tables import Table

OVERLAY = "-overlay.png"


def check_mask_options(config: PredictConfig) -> None:
    """Raise UsageError for options of `predict` that do not apply to masks."""
    for name in ("explain", "label_column", "frames", "clips", "fps"):
        if getattr(config, name):
            refuse_of_masks(name)


def predicted_masks(config: PredictConfig, loaded: LoadedModel, examples: Split, masks: SavedMasks) -> Table:
    """Predict each picture, write its mask to `config.masks`, and tell which classes are how much of it.

    A mask has the size of the file of its picture, whatever size the network saw. Returns a row per picture: index, file, the
    file of the mask, and the classes with the largest shares of its pixels.

    Args:
        config: The options.
        loaded: The network.
        examples: The pictures.
        masks: How the run reads masks.
    """
    files, k = examples.metadata.get(FILE), len(masks.classes)
    root = Path(config.data)
    folder = root if root.is_dir() else root.parent
    rows: dict[int, list[object]] = {}
    top = min(config.top, k)
    for which, logits in picture_logits(loaded.of_masks, examples.x, examples.y, loaded.device):
        for index, one in zip(which.tolist(), logits[:, :k], strict=True):
            path = None if files is None else folder / str(files[index])
            labels = _own_size(one, path)
            shares = np.bincount(labels.reshape(-1), minlength=k)[:k] / labels.size
            written = "" if config.masks is None else _write(config, path, index, labels, examples)
            best = np.argsort(-shares, kind="stable")[:top].tolist()
            known = [index] if files is None else [index, files[index]]
            pairs = [cell for label in best for cell in (masks.classes[label], round(float(shares[label]), 6))]
            rows[index] = [*known, *([] if config.masks is None else [written]), *pairs]
    columns = ["index", *([FILE] if files is not None else []), *([] if config.masks is None else ["mask"])]
    columns += ["label", "share"] + [f"{word}_{n}" for n in range(2, top + 1) for word in ("label", "share")]
    return Table(columns, [rows[index] for index in sorted(rows)])


def _own_size(logits: torch.Tensor, path: Path | None) -> NDArray[np.uint8]:
    """The labels of a picture in the size of its file, by interpolating logits (k, h, w)."""
    sides = tuple(logits.shape[-2:])
    if path is not None:
        with open_image(path) as file:
            image = upright(file)
            sides = image.height, image.width
    if sides != tuple(logits.shape[-2:]):
        logits = interpolate(logits[None], sides, mode="bilinear", align_corners=False)[0]
    return logits.argmax(0).to(torch.uint8).numpy()


def _write(config: PredictConfig, path: Path | None, index: int, labels: NDArray[np.uint8], examples: Split) -> str:
    """Write the mask, and with `overlay` the picture under it; the name of the file in the folder."""
    root, folder = Path(config.data), Path(str(config.masks))
    inner = Path(f"{index:06d}") if path is None else path.relative_to(root if root.is_dir() else root.parent).with_suffix("")
    files = {inner.with_name(f"{inner.name}.png"): mask_png(labels)}
    if config.overlay:
        files[inner.with_name(inner.name + OVERLAY)] = overlay_png(_image(path, index, examples, labels.shape), labels)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(content)
    return next(iter(files)).as_posix()


def _image(path: Path | None, index: int, examples: Split, sides: tuple[int, ...]) -> NDArray[np.floating]:
    """The pixels of a picture in its own size, (c, h, w) in [0, 1]."""
    if path is None:
        return to_float(examples.x[index : index + 1])[0, :, : sides[0], : sides[1]].numpy()
    with open_image(path) as file:
        pixels: NDArray[np.floating] = np.asarray(upright(file).convert("RGB"), dtype=np.float64).transpose(2, 0, 1) / 255
    return pixels
