"""What `dlcli convert-2d-to-3d` takes and gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs import parse
from dlcli.specs.eval import arch_option
from dlcli.specs.option import check, entries, one_of, option
from dlcli.specs.shared import output_option, seed_option
from dlcli.support.errors import UsageError

TOLERANCE = 1e-10
"""The largest relative error in float64 by which a still clip may be judged otherwise than its image."""


@dataclass(frozen=True, kw_only=True)
class Convert2DTo3DConfig:
    """Options of `dlcli convert-2d-to-3d`."""

    model: str | None = option(
        None,
        "A network for images: a name of ours or of torchvision's, with random weights; a file of weights with --arch; a "
        "folder that dlcli train wrote; or package.module:callable or file.py:callable, which imports and runs that code.",
        argument=True,
        metavar="MODEL",
        reads=True,
    )
    arch: str | None = arch_option()
    weights: Path | None = option(None, "A file of weights for the network that MODEL names.", metavar="FILE", reads=True)
    rule: str = option(
        "besnet",
        "besnet: 1x1 becomes 3x1x1. i3d: k x k becomes k x k x k. center: as i3d, with the weights in the middle and zeros "
        "around.",
        choices=entries("rule", "dlcli.core.inflate.rules"),
    )
    inflate: str | None = option(
        None,
        "Of besnet: the first 1x1 of each residual block, the first and last, or all, with those on shortcuts; left out, both.",
        choices=one_of("conv1", "both", "all"),
    )
    temporal_kernel: int | None = option(
        None,
        "How many frames an inflated layer reads, odd; left out, 3, or for i3d and center the width of its kernel.",
        minimum=1,
    )
    temporal_padding: str = option(
        "replicate",
        "What is read before the first frame and after the last: replicate, that frame; renorm, nothing, while what is there "
        "counts for more; zeros.",
        choices=one_of("replicate", "renorm", "zeros"),
    )
    dilations: tuple[int, ...] | None = option(
        None,
        "How many frames apart those read are: in training one of these, drawn for each batch and layer; else their mean. "
        "Left out, 1,2 for besnet and else 1.",
        parse=parse.whole_numbers,
        show=parse.show_whole_numbers,
        metavar="N,...",
    )
    fuse_dilations: bool = option(False, "Make of each layer one wider kernel that is the mean over dilations.")
    frames: int = option(8, "The longest clip of the proof, and the length of clips for --export.", minimum=1)
    allow_inexact: bool = option(False, "Write the network even if it judges a still clip otherwise than its image.")
    recalibrate_bn: str | None = option(
        None,
        "Take the statistics of batch normalisation anew from these data, named as for --data of the others; images are shown "
        "as still clips.",
        metavar="SPEC",
        reads=True,
    )
    export: Path | None = option(
        None, "Write the network as a program of torch.export for one clip of --frames.", metavar="FILE.pt2", writes=True
    )
    size: int | None = option(
        None, "Height and width of the images, in pixels; left out, those of the run, else 224.", minimum=1, metavar="N"
    )
    classes: int | None = option(
        None, "How many classes a network without weights tells apart; left out, 1000.", minimum=1, metavar="N"
    )
    seed: int = seed_option()
    output: Path | None = output_option("Write the network to this file, and beside it FILE.json.", "FILE.safetensors")

    def __post_init__(self) -> None:
        check(self)
        if self.rule != "besnet" and self.inflate is not None:
            raise UsageError(f"--inflate: {self.rule} inflates every layer above 1x1", hint="leave --inflate out")
        if self.temporal_kernel is not None and self.temporal_kernel % 2 == 0:
            raise UsageError(f"--temporal-kernel: {self.temporal_kernel} is even", hint="an odd one has a middle")
        if self.dilations is not None and (min(self.dilations) < 1 or len(set(self.dilations)) < len(self.dilations)):
            raise UsageError("--dilations: must be different numbers from 1 up", hint="--dilations 1,2")
        if self.fuse_dilations and self.temporal_padding == "renorm":
            hint = "--temporal-padding replicate, or leave --fuse-dilations out"
            raise UsageError("--fuse-dilations: ends that are renormalised have no one kernel", hint=hint)


@dataclass(frozen=True, kw_only=True)
class InflatedLayer:
    """A layer that reads several frames: its path, and the shapes of its weight before and after."""

    path: str
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class VerificationRow:
    """A still clip of `frames` frames beside its image at `stage`: the relative errors max|a - b| / max|b|."""

    stage: str
    frames: int
    error_float64: float
    error_float32: float


@dataclass(frozen=True, kw_only=True)
class Convert2DTo3DResult:
    """The outcome of `dlcli convert-2d-to-3d`.

    Temporal pooling happens before the module `head`, "" for the end of the network. The equivalence check used
    `verification_images` random images of `verification_size` pixels; `agree` of `compared` predictions, over images, clip
    lengths and both precisions, name the same class. `worst` is the largest relative error in float64.
    """

    KIND: ClassVar[str] = "file"

    model: str
    rule: str
    layers: tuple[InflatedLayer, ...]
    head: str
    parameters_before: int
    parameters_after: int
    verification: tuple[VerificationRow, ...]
    verification_images: int
    verification_size: tuple[int, int]
    agree: int
    compared: int
    worst: float
    file: str
    weights_sha256: str
    export: str
    seed: int
    seconds: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """A flat record a stage and length, for CSV."""
        return [
            {"stage": row.stage, "frames": row.frames, "error_float64": row.error_float64, "error_float32": row.error_float32}
            for row in self.verification
        ]
