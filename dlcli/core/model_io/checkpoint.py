"""Weights in and out of safetensors files, their digest, and into a network."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from dlcli.support.atomic import atomic_path
from dlcli.support.errors import InputError, MissingInputError
from dlcli.support.json_metadata import decode_json
from dlcli.support.regular_file import check_regular
from dlcli.support.safetensors_head import sort_metadata

_SHOWN = 3
_FACTS, _CHECKSUM = "facts", "sha256"


def save_weights(path: Path, model: nn.Module, metadata: Mapping[str, str]) -> None:
    """Write the parameters and buffers of `model` to a safetensors file, whole or not at all, with `metadata` in its head."""
    # Copies, because safetensors refuses tensors that share memory, as tied weights do.
    state = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in model.state_dict().items()}
    save_tensors(path, state, metadata)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write contiguous tensors of the CPU to a safetensors file, whole or not at all, with `metadata` in its head."""
    # As bytes, which take the memory of the tensors once more: a file that the library writes it writes under a name of its own
    # first, which stays if the process is killed.
    content = save(dict(tensors), metadata=dict(metadata))
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
        sort_metadata(temporary)


def save_state(path: Path, tensors: Mapping[str, Tensor], facts: object) -> None:
    """Write tensors and JSON facts that a later run goes on from, whole or not at all, with a checksum over both."""
    written = json.dumps(facts)
    save_tensors(path, tensors, {_FACTS: written, _CHECKSUM: _checksum(tensors, written)})


class State(NamedTuple):
    """What `save_state` wrote: tensors of the CPU by name, and facts in the types of JSON."""

    tensors: dict[str, Tensor]
    facts: Any


def load_state(path: Path, hint: str) -> State:
    """Read what `save_state` wrote.

    Args:
        path: The file.
        hint: What to do if it cannot be used.

    Raises:
        InputError: If it is missing, damaged or of another kind.
    """
    metadata, tensors = read_metadata(path), load_weights(path)
    if _FACTS not in metadata or _CHECKSUM not in metadata:
        raise InputError(f"{path}: not a state that dlcli saved", hint=hint)
    if metadata[_CHECKSUM] != _checksum(tensors, metadata[_FACTS]):
        raise InputError(f"{path}: damaged (its SHA-256 differs)", hint=hint)
    return State(tensors, decode_json(metadata[_FACTS], str(path), hint))


def _checksum(tensors: Mapping[str, Tensor], facts: str) -> str:
    return hashlib.sha256(f"{weights_sha256(tensors)} {facts}".encode()).hexdigest()


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, on the CPU; raises InputError if it is missing or damaged."""
    check_regular(path)
    if not path.is_file():
        raise MissingInputError(f"{path}: no such file")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a whole safetensors file ({_line(error)})") from None


def read_metadata(path: Path) -> dict[str, str]:
    """What `save_weights` put in the head of a safetensors file; raises InputError if it cannot be read."""
    check_regular(path)
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a whole safetensors file ({_line(error)})") from None


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def weights_sha256(weights: nn.Module | Mapping[str, Tensor]) -> str:
    """SHA-256 over the names, types, shapes and bytes of all tensors, by name; device and memory layout do not matter.

    Raises InputError for a network that keeps weights as something else than tensors.
    """
    state = weights.state_dict() if isinstance(weights, nn.Module) else weights
    digest = hashlib.sha256()
    # Over the tensors and not the file: the same weights have one hash in .safetensors and .pt, whatever the header contains.
    for name in sorted(state):
        if not isinstance(state[name], Tensor):
            message = f"the network keeps {name} as a {type(state[name]).__name__} and not as a tensor"
            raise InputError(message, hint="give it as it was before it was quantised")
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name!r} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # As bytes, because numpy has no bfloat16; flat, because a tensor without axes cannot be viewed in another type.
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_state_into(model: nn.Module, state: Mapping[str, Tensor], *, source: str, network: str) -> None:
    """Copy all tensors of `state` into `model`.

    BatchNorm's `num_batches_tracked` may be missing: older files have none, and evaluation needs none.

    Args:
        model: Receives the weights, in place.
        state: Tensors by their names in `model.state_dict()`.
        source: The file that `state` is from, for the message of the error.
        network: The name of `model`, for the message of the error.

    Raises:
        InputError: If keys are missing or unknown, or tensors have another shape; names the first of them.
    """
    # Compared here, because the message of `load_state_dict` lists every key: hundreds of lines for the wrong network.
    own = model.state_dict()
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    foreign = [key for key in state if key not in own]
    shapes = [key for key in own if key in state and own[key].shape != state[key].shape]
    problems = [_some(f"{word} {{}}", keys) for word, keys in (("missing", missing), ("unknown", foreign)) if keys]
    problems += [_some("misshapen {}", [_shapes(key, state[key], own[key]) for key in shapes])] if shapes else []
    if problems:
        hint = "choose the network that the weights were trained with"
        raise InputError(f"{source}: the weights do not fit {network}: {'; '.join(problems)}", hint=hint)
    # With the versions of the modules, which files do not keep: MNASNet refuses weights of an unknown one.
    versioned = OrderedDict(state)
    versioned._metadata = getattr(own, "_metadata", {})  # type: ignore[attr-defined]
    # Not strict, for `num_batches_tracked` may be missing; everything else has been checked.
    model.load_state_dict(versioned, strict=False)


def _some(sentence: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return sentence.format(", ".join(names[:_SHOWN])) + more


def _shapes(key: str, found: Tensor, wanted: Tensor) -> str:
    return f"{key} {list(found.shape)} for {list(wanted.shape)}"
