"""What every section is given: the device, the sizes and the data."""

import platform
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import torch

from dlcli import __version__
from dlcli.core.compute.device import choose_device, describe_device
from dlcli.support.cublas import fix_workspace

CPU = torch.device("cpu")

_PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "sentence-transformers", "foolbox", "torchattacks")

T = TypeVar("T")


@dataclass(frozen=True)
class Setup:
    """What to run on.

    Attributes:
        device: What is measured.
        small: Sizes for a rehearsal on a CPU.
        data: Folder with mnist.npz, cifar10_subset.npz and cifar10_resnet20.pth; None for the data inside scikit-learn.
        ceilings: The measured ceilings, in FLOP/s and bytes/s, that later figures are compared with.
    """

    device: torch.device
    small: bool
    data: Path | None = None
    ceilings: dict[str, float] = field(default_factory=dict)

    @property
    def on_cpu(self) -> bool:
        """Whether this is a rehearsal."""
        return self.device.type == "cpu"

    @property
    def reference(self) -> torch.dtype:
        """In what the CPU computes what the device is compared with.

        A GPU is compared with the CPU's float32. A CPU would agree with itself, whatever is wrong: it is compared with
        float64, by the same checks and limits.
        """
        return torch.float64 if self.on_cpu else torch.float32

    @property
    def against(self) -> str:
        """The reference in words."""
        return f"against the CPU in {str(self.reference).removeprefix('torch.')}"

    @cached_property
    def card(self) -> str:
        """Name of the device for display."""
        return describe_device(self.device)

    @cached_property
    def versions(self) -> dict[str, str]:
        """Versions of what takes part, "" for what is missing."""
        found = {"dlcli": __version__, "python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}
        if not self.on_cpu:
            found |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
        return found

    def size(self, small: T, full: T) -> T:
        """The first in a rehearsal, the second on a GPU."""
        return small if self.small else full

    def target(self, speed: float) -> float | None:
        """What is asked of a GPU; nothing is asked of a rehearsal."""
        return None if self.on_cpu else speed

    def file(self, name: str) -> Path | None:
        """The file of that name in the data folder or its folder `weights`, if it is there."""
        places = [] if self.data is None else [self.data / name, self.data / "weights" / name]
        return next((place for place in places if place.is_file()), None)

    def synchronize(self) -> None:
        """Wait until the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def open_setup(device: str | None, *, small: bool, data: Path | None = None) -> Setup:
    """The setup for cuda, cuda:N or cpu (None: cuda if there is one); on a CPU sizes are always small."""
    fix_workspace()
    found = choose_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if found.type == "cuda" and found.index is None:  # some calls of torch accept no device without a number
        found = torch.device("cuda", torch.cuda.current_device())
    return Setup(found, small or found.type == "cpu", data)


def why_missing(*modules: str) -> str:
    """Why these modules cannot be used, in a few words; "" if they can."""
    for module in modules:
        try:
            import_module(module)
        except Exception as error:  # an installed package may lack what it imports itself, in any way
            return f"{module} cannot be imported ({' '.join(str(error).split())})"
    return ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
