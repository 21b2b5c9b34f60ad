"""A file of weights as a training script left it: told by its content, every tensor in it by its path."""

import codecs
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, strided

from dlcli.core.model_io.checkpoint import load_weights
from dlcli.core.model_io.safe_pickle import read_torch_file
from dlcli.core.models import WEIGHTS_SUFFIXES
from dlcli.specs.predictions import ENDINGS
from dlcli.support.errors import InputError, MissingInputError

_HINT = "save it with torch.save(model.state_dict(), path)"
_TABLES = " ".join(f".{ending}" for ending in ENDINGS)
_HEAD = 512
_DEPTH, _MOST = 50, 1_000_000
"""How deep, and how many, mappings and lists in a file may be."""


class StoredTensor(NamedTuple):
    """A tensor, and the path of the mapping that holds it."""

    tensor: Tensor
    mapping: str


@dataclass(frozen=True)
class WeightsFile:
    """The tensors of a file by their paths in it: keys joined by dots, through all mappings and lists."""

    path: Path
    tensors: Mapping[str, StoredTensor]


def is_weights(path: Path, *, may_be_name: bool = False) -> bool:
    """Whether `path` is to be read as weights: any file but code, or a name that ends as those of weights do.

    With `may_be_name`, where `path` may also be the name of a network, a file without an ending is not.
    """
    if path.suffix in WEIGHTS_SUFFIXES:
        return True
    return path.suffix != ".py" and path.is_file() and bool(path.suffix or not may_be_name)


def read_weights_file(path: Path) -> WeightsFile:
    """Read a file of weights whatever it is called: safetensors, or what torch.save wrote, in which nothing is run.

    Raises InputError if it is missing, damaged, of another kind, holds no tensors, or holds what could run code.
    """
    check_weights_file(path)
    if _is_safetensors(path):
        held: Any = load_weights(path)
    else:
        held = read_torch_file(path)
    if not isinstance(held, Mapping | list | tuple):
        raise InputError(f"{path}: holds no state dict of tensors", hint=_HINT)
    found: dict[str, StoredTensor] = {}
    for name, mapping, tensor in _walk(path, held):
        _check_dense(path, name, tensor)
        if name in found:
            raise InputError(f"{path}: holds two tensors by the name {name}", hint=_HINT)
        found[name] = StoredTensor(tensor, mapping)
    if not found or not isinstance(held, Mapping) and all("." not in name for name in found):
        raise InputError(f"{path}: holds no state dict of tensors", hint=_HINT)
    if isinstance(held, Mapping) and {"state", "param_groups"} <= set(held):
        raise InputError(f"{path}: holds the state of an optimizer, and no state dict of tensors", hint=_HINT)
    return WeightsFile(path, found)


def check_weights_file(path: Path) -> None:
    """Raise InputError that names what a file is, if its first bytes show that it holds no weights."""
    if not path.is_file():
        raise MissingInputError(f"{path}: no such file")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head or head[:1] == b"\x80" or _is_safetensors(path):  # empty files are reported when they are read
        return
    kind = _zip_kind(path) if head.startswith(b"PK\3\4") else _other_kind(head)
    if kind is not None:
        what, hint = kind
        raise InputError(f"{path}: {what}", hint=hint)


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or (len(head) == 9 and head[8:] == b"{" and head[:1] != b"\x80" and _fits(path, head))


def _fits(path: Path, head: bytes) -> bool:
    """Whether the first eight bytes are the length of a header that the file has room for."""
    return int.from_bytes(head[:8], "little") <= path.stat().st_size - 8


def _zip_kind(path: Path) -> tuple[str, str] | None:
    """What a zip archive is if it is not weights of torch, and what to do about it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return None  # a torn file of torch, which is reported when it is read
    ends = {name.partition("/")[2] for name in names}
    if "constants.pkl" in ends or any(end.startswith("code/") for end in ends):
        return (
            "is a TorchScript program (torch.jit.save), not a file of weights",
            f"{_HINT}, or load it in code: FILE.py:CALLABLE that returns torch.jit.load(...)",
        )
    if "data.pkl" in ends:
        return None
    if any(end.startswith("models/") or end == "archive_format" for end in ends):
        return "is a program of torch.export, not a file of weights", _HINT
    if names and all(name.endswith(".npy") for name in names):
        return (
            "is a .npz archive of arrays, not a file of weights",
            "give images as `data`, predictions as .csv or .parquet",
        )
    return "is a zip archive, not a file of weights", _HINT


def _other_kind(head: bytes) -> tuple[str, str]:
    """What a file is that torch and safetensors did not write, and what to do about it."""
    text = head.lstrip().lower()
    if head.startswith(b"\x89HDF"):
        return "is an HDF5 file, as Keras writes, not weights of PyTorch", "convert it to PyTorch first"
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        return "is compressed", "decompress it first"
    if head[257:262] == b"ustar":
        return "is a tar archive, not a file of weights", "unpack it first"
    if text.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the file itself", "fetch it with git lfs pull"
    if text.startswith((b"<!doctype html", b"<html")):
        return "is a web page, not a file of weights", "download the file itself"
    if head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x1a", b"\x3a"):
        return "is an ONNX network, not a file of weights", "rename it to end in .onnx"
    if _is_text(head):
        return "is text, not a file of weights", f"tables of predictions are known by their ending: {_TABLES}, or these and .gz"
    return "is not a file of weights (neither safetensors nor what torch.save writes)", _HINT


def _is_text(head: bytes) -> bool:
    """Whether bytes are UTF-8 without control characters; the last character may be cut off."""
    decoded = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoded.decode(head)
    except UnicodeDecodeError:
        return False
    return all(one.isprintable() or one in "\t\r\n\ufeff" for one in text)


def _walk(path: Path, held: object) -> Iterator[tuple[str, str, Tensor]]:
    """Path, path of the mapping, and tensor of all that is below `held`, in the order of the file."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), held)]
    seen = 0
    while waiting:
        place, one = waiting.pop()
        if isinstance(one, Tensor):
            yield ".".join(place), ".".join(place[:-1]), one
            continue
        seen += 1  # counted, since what holds itself, or the same list many times over, has no end
        if seen > _MOST or len(place) > _DEPTH:
            raise InputError(f"{path}: is nested too deeply to hold weights", hint=_HINT)
        items = one.items() if isinstance(one, Mapping) else enumerate(one)  # type: ignore[arg-type]
        below = [((*place, _name(key)), value) for key, value in items if isinstance(value, Tensor | Mapping | list | tuple)]
        waiting += reversed(below)


def _name(key: object) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)


def _check_dense(path: Path, name: str, tensor: Tensor) -> None:
    kinds = {"sparse": tensor.layout != strided, "meta": tensor.is_meta, "quantised": tensor.is_quantized}
    kind = "nested" if tensor.is_nested else next((word for word, holds in kinds.items() if holds), None)
    if kind is not None:
        raise InputError(f"{path}: {name} is a {kind} tensor", hint="save the weights as dense tensors")
