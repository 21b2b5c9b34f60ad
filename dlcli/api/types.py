"""What the functions take in place of names and paths, for type checkers; nothing here is needed to run."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class DataFrame(Protocol):
    """A data frame of any library that has the dataframe interchange protocol."""

    def __dataframe__(self, nan_as_null: bool = ..., allow_copy: bool = ...) -> Any:
        """The frame in the form of the protocol."""


Network: TypeAlias = str | Path | nn.Module | Callable[..., nn.Module]
"""A name, a path, a network, or what builds one."""
Arrays: TypeAlias = NDArray[Any] | Tensor
Examples: TypeAlias = Arrays | tuple[Any, Any] | Dataset[Any] | DataLoader[Any]
"""Images, images and labels, or a dataset of pairs of them."""
Data: TypeAlias = str | Path | Examples | Mapping[str, Any]
"""A name, a path, examples, or sets of examples by name."""
Texts: TypeAlias = str | Path | Iterable[str] | DataFrame
"""A path, texts, or a data frame."""
