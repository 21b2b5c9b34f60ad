"""How a published network wants pictures resized and cropped before it sees them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from dlcli.support.errors import InputError

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
"""Names of Pillow's filters, in small letters."""
_OF_TENSORS = {"nearest": "nearest-exact", "bilinear": "bilinear", "bicubic": "bicubic"}


@dataclass(frozen=True)
class Preparation:
    """Resize, then crop the centre to a square.

    Attributes:
        resize: The side that is resized to, in pixels, at least `crop`.
        crop: Height and width of the result, in pixels.
        interpolation: One of INTERPOLATIONS; smaller pictures are always made with antialiasing.
        squash: Whether height and width both become `resize`; else the shorter side does, and proportions are kept.
    """

    resize: int
    crop: int
    interpolation: str = "bilinear"
    squash: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for what no picture can be prepared by."""
        if not 1 <= self.crop <= self.resize or self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"no way to prepare images: {asdict(self)}")

    def __str__(self) -> str:
        how = "both sides are" if self.squash else "the shorter side is"
        crop = "" if self.squash and self.crop == self.resize else f", the central {self.crop}x{self.crop} cropped"
        return f"{how} resized to {self.resize} pixels ({self.interpolation}){crop}"

    def to_json(self) -> dict[str, Any]:
        """As JSON types, for `preparation_from_json`."""
        return asdict(self)

    def resized(self, shape: tuple[int, int]) -> tuple[int, int]:
        """The height and width that a picture of `shape` is resized to.

        Returns:
            The two numbers, in pixels.
        """
        if self.squash:
            return self.resize, self.resize
        short = min(shape)
        return self.resize * shape[0] // short, self.resize * shape[1] // short

    def corner(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Where the crop begins in a picture that was resized to `shape`.

        Returns:
            Its top row and left column, in pixels.
        """
        return round((shape[0] - self.crop) / 2), round((shape[1] - self.crop) / 2)

    def picture(self, image: Any) -> Any:
        """Prepare a picture of Pillow; raises ValueError if it would be too large on the way."""
        from PIL import Image

        height, width = self.resized((image.height, image.width))
        if height * width > (Image.MAX_IMAGE_PIXELS or float("inf")):
            raise ValueError(f"{image.width}x{image.height} pixels has too extreme an aspect ratio")
        top, left = self.corner((height, width))
        if (height, width) != (image.height, image.width):
            image = image.resize((width, height), Image.Resampling[self.interpolation.upper()])
        return image.crop((left, top, left + self.crop, top + self.crop))

    def tensors(self, x: Tensor) -> Tensor:
        """Prepare images (n, ..., h, w) in [0, 1]; raises InputError for filters that only Pillow has."""
        if self.interpolation not in _OF_TENSORS:
            message = f"arrays of images cannot be resized by {self.interpolation}, which the network wants"
            raise InputError(message, hint=f"resize them to {self.crop}x{self.crop} first, or choose `size={self.crop}`")
        if not len(x):
            return x.new_empty(*x.shape[:-2], self.crop, self.crop)
        mode = _OF_TENSORS[self.interpolation]
        shape = self.resized((x.shape[-2], x.shape[-1]))
        # `interpolate` takes (n, c, h, w), so the frames of a clip pass as further channels.
        planes = F.interpolate(x.flatten(1, -3), shape, mode=mode, antialias=mode != "nearest-exact").clamp(0, 1)
        top, left = self.corner(shape)
        found = planes[..., top : top + self.crop, left : left + self.crop]
        return found.reshape(*x.shape[:-2], self.crop, self.crop)


def preparation_from_json(entries: Mapping[str, Any] | None, source: str) -> Preparation | None:
    """What `to_json` wrote, None for None; raises InputError that names `source` if it is anything else."""
    if entries is None:
        return None
    try:
        return Preparation(**entries)
    except (TypeError, ValueError):
        raise InputError(f"{source}: prepare is damaged", hint="copy the file again, or train again") from None
