"""Options and result of `dlcli convert-2d-to-3d`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs import parse
from dlcli.specs.code import trust_code_option
from dlcli.specs.model_and_data import arch_option, check_weights_key, weights_key_option
from dlcli.specs.normalise import normalise_option
from dlcli.specs.option import check, entries, one_of, option
from dlcli.specs.result import Result
from dlcli.specs.shared import output_option, seed_option
from dlcli.support.errors import UsageError

TOLERANCE = 1e-10
"""The largest relative error in float64 between a still clip and its image that passes the check."""


@dataclass(frozen=True, kw_only=True)
class Convert2DTo3DConfig:
    """Options of `dlcli convert-2d-to-3d`."""

    model: str | None = option(
        None,
        "An image network: the name of a built-in or torchvision network, with random weights; a published network "
        "(torchvision:NAME, timm:NAME or hf:OWNER/NAME); a checkpoint with `arch`; a run directory; or "
        "package.module:callable or file.py:callable, which imports and runs that code.",
        argument=True,
        two_ways=True,
        metavar="MODEL",
        reads=True,
        names_code=True,
    )
    arch: str | None = arch_option()
    weights: Path | None = option(
        None,
        "Load the weights in this file into MODEL; imagenet: those published for it; none: none of these.",
        metavar="FILE",
        reads=True,
    )
    weights_key: str | None = weights_key_option()
    normalise: str = normalise_option("MODEL")
    rule: str = option(
        "besnet",
        "How convolutions are inflated, written time x height x width. besnet: the 1x1 that `inflate` chooses become 3x1x1. "
        "i3d: k x k becomes k x k x k, the weights spread evenly along time. center: as i3d, with the weights on the middle "
        "frame and zeros on the others.",
        choices=entries("rule", "dlcli.core.inflate.rules"),
    )
    inflate: str | None = option(
        None,
        "Which 1x1 convolutions `rule=besnet` inflates: the first of each residual block (conv1), the first and the last "
        "(both), or all, with those on shortcuts (all). Default: both.",
        choices=one_of("conv1", "both", "all"),
    )
    temporal_kernel: int | None = option(
        None,
        "Kernel size along time of inflated layers, odd. Default: 3, or for i3d and center the width of the kernel.",
        limit=9_999,
        minimum=1,
    )
    temporal_padding: str = option(
        "replicate",
        "Padding along time: replicate the first and last frame; renorm, no padding, with the weights inside the clip "
        "rescaled; or zeros.",
        choices=one_of("replicate", "renorm", "zeros"),
    )
    dilations: tuple[int, ...] | None = option(
        None,
        "Dilations along time. Training draws one of them per batch and layer, evaluation takes the mean of their outputs. "
        "Default: 1,2 for besnet, else 1.",
        parse=parse.whole_numbers,
        show=parse.show_whole_numbers,
        metavar="N,...",
    )
    fuse_dilations: bool = option(False, "Merge the dilations of each layer into one wider kernel, which computes their mean.")
    frames: int = option(
        8, "Frames of the longest clip in the equivalence check, and of a clip for `export`.", limit=100_000, minimum=1
    )
    allow_inexact: bool = option(False, "Write the network even if the equivalence check fails.")
    recalibrate_bn: str | None = option(
        None,
        "Recompute the running statistics of batch normalisation on this dataset; an image becomes a clip by repetition.",
        metavar="SPEC",
        reads=True,
    )
    export: Path | None = option(
        None, "Export the network by torch.export for one clip of `frames` frames.", metavar="FILE.pt2", writes=True
    )
    size: int | None = option(
        None,
        "Height and width of the images, in pixels. Default: those of the run, else 224.",
        limit=65_536,
        minimum=1,
        metavar="N",
    )
    classes: int | None = option(
        None, "Number of classes of a network without weights. Default: 1000.", limit=1_000_000, minimum=1, metavar="N"
    )
    trust_code: bool = trust_code_option()
    seed: int = seed_option()
    output: Path | None = output_option(
        "Write the network to this file, and beside it FILE.json and a page, FILE.html.", "FILE.safetensors"
    )

    def __post_init__(self) -> None:
        check(self)
        check_weights_key(self.weights_key, self.arch, self.weights)
        if self.rule != "besnet" and self.inflate is not None:
            raise UsageError(f"`inflate`: {self.rule} inflates every layer above 1x1", hint="omit `inflate`")
        if self.temporal_kernel is not None and self.temporal_kernel % 2 == 0:
            raise UsageError(f"`temporal_kernel`: {self.temporal_kernel} is even", hint="it must be odd")
        if self.dilations is not None and (min(self.dilations) < 1 or len(set(self.dilations)) < len(self.dilations)):
            raise UsageError("`dilations`: must be different numbers from 1 up", hint="`dilations=1,2`")
        if self.fuse_dilations and self.temporal_padding == "renorm":
            hint = "use `temporal_padding=replicate`, or omit `fuse_dilations`"
            raise UsageError("`fuse_dilations`: renormalised padding cannot be merged into one kernel", hint=hint)


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
class Convert2DTo3DResult(Result, command="convert-2d-to-3d"):
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
