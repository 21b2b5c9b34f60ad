"""Find the weights of a network in a file by what fits, whatever training scripts put around and before their names."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlcli.core.model_io.weights_file import StoredTensor, WeightsFile
from dlcli.support.errors import UsageError
from dlcli.support.plural import count

_SHOWN = 3
_OUTERMOST = "those at the top"
_WRAPPERS = frozenset({"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_fpw_module"})
"""What torch.compile, DataParallel, FSDP and activation checkpointing put before the names in what they wrap, at any depth."""

_USUAL = _WRAPPERS | {"state_dict", "model_state_dict", "model_state", "model", "net", "network", "params", "weights"}
"""Where training scripts keep the weights as trained, beside averaged ones and those of other networks."""

_COUNTERS = frozenset({"total_ops", "total_params", "num_batches_tracked", "num_batches", "n_averaged", "num_updates", "step"})
_LOSSES = re.compile(r"(?:.*_)?(?:loss(?:es)?|loss_fn|loss_func|criterion|criterions|crit)(?:_?\d+)?", re.IGNORECASE)
_SCORES = "acc|accuracy|metrics?|f1|auroc|auc|confmat|precision|recall|iou|mae|mse|ece|perplexity"
_METRICS = re.compile(rf"(?:.*_)?(?:{_SCORES})s?(?:_.*|\d+)?", re.IGNORECASE)
"""Names of modules for losses and metrics, which training scripts keep in the network that they train."""


@dataclass(frozen=True)
class FittedWeights:
    """The tensors of a file that belong to a network, by their names in it.

    Where nothing fits, the tensors of the set that comes nearest. `notes` tell where they were found and what was ignored,
    `warnings` are those of the notes that figures may be wrong.
    """

    state: dict[str, Tensor]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Set:
    """A set of weights in a file: below `prefix` its names are those of the network without `own`, wrappers aside.

    `paths` are the paths in the file by the names in the network.
    """

    prefix: str
    own: str
    paths: Mapping[str, str]

    @property
    def key(self) -> str:
        """What the set is called in messages and by the option `weights_key`: where it begins in the file."""
        places = {path.removesuffix(short) for path, short in self._pairs() if path.endswith(short)}
        return min(places, key=len, default=self.prefix).rstrip(".")

    @property
    def wrapped(self) -> bool:
        """Whether there are parts of wrappers within the names."""
        return not all(path.endswith(short) for path, short in self._pairs())

    def _pairs(self) -> list[tuple[str, str]]:
        return [(path, name.removeprefix(self.own)) for name, path in self.paths.items()]


def fit_weights(file: WeightsFile, own: Mapping[str, Tensor], *, network: str, key: str | None = None) -> FittedWeights:
    """The tensors in `file` that have the names of a network below a common prefix, at any nesting.

    A prefix is part of the name of a mapping or of the tensors in it. If several sets of weights fit, that of a usual name
    (state_dict, model, ...) is taken with a warning.

    Args:
        file: The file.
        own: The network's state dict.
        network: Its name, for messages.
        key: The path in the file of the set to take.

    Returns:
        The tensors; unknown ones are among them if they seem to be weights too, so that loading them fails.

    Raises:
        UsageError: If nothing is at `key`, or several sets fit and none has a usual name.
    """
    tensors = file.tensors if key is None else _at(file, key)
    sets = _distinct(_fitting(tensors, own), tensors, own)
    if not sets:
        return FittedWeights(_nearest(tensors, own))
    chosen = _choose(sets, file, network)
    inside, outside = _strangers(chosen, sets, tensors)
    found = {name: tensors[path].tensor for name, path in chosen.paths.items()}
    unknown = {name: tensor for name, tensor in inside.items() if not _is_beside(name, tensor)}
    notes = [*_place(file, chosen), *_ignored(file, [*(name for name in inside if name not in unknown), *outside])]
    warnings = _others(sets, chosen, file, network)
    return FittedWeights(found | unknown, (*notes, *warnings), warnings)


def _at(file: WeightsFile, key: str) -> dict[str, StoredTensor]:
    """The tensors at the path `key`, or at the only place of that name."""
    places = {path: place for path in file.tensors if (place := _place_of(path, key)) is not None}
    wanted = key if any(place == key for place in places.values()) else next(iter(places.values()), None)
    if wanted is None or (wanted != key and len(set(places.values())) > 1):
        there = sorted({path.partition(".")[0] for path in file.tensors if "." in path})
        found = sorted(set(places.values())) or there
        what = f"{key} is in several places" if places else f"nothing is called {key}"
        raise UsageError(f"`weights_key`: {file.path}: {what}", hint=f"choose from {', '.join(found[:8])}" if found else "")
    return {path: stored for path, stored in file.tensors.items() if places.get(path) == wanted}


def _place_of(path: str, key: str) -> str | None:
    """The path up to the name `key` in it, None if it is not in it."""
    if path.startswith(f"{key}."):
        return key
    before, found, _ = path.partition(f".{key}.")
    return f"{before}.{key}" if found else None


def _required(own: Iterable[str]) -> set[str]:
    # `num_batches_tracked` may be missing: older files have none, and evaluation needs none.
    return {name for name in own if not name.endswith("num_batches_tracked")}


def _fitting(tensors: Mapping[str, StoredTensor], own: Mapping[str, Tensor]) -> list[_Set]:
    """The sets that have all names of the network; those whose tensors have its shapes, if there are any."""
    paths, names = _unwrapped(tensors), _unwrapped(own)
    for prefix in _own_prefixes(names):
        short = {name.removeprefix(prefix): original for name, original in names.items()}
        needed = _required(short)
        counts = Counter(before for path in paths for before, after in _splits(path) if after in needed)
        full = [before for before, n in counts.items() if n == len(needed)]
        if full:
            sets = [_set(before, prefix, short, paths) for before in full]
            return [one for one in sets if _alike(one, tensors, own)] or sets
    return []


def _unwrapped(names: Collection[str]) -> dict[str, str]:
    """The names without the parts that wrappers add, and the names themselves; as they are if that makes two alike."""
    found = {".".join(part for part in name.split(".") if part not in _WRAPPERS): name for name in names}
    return found if len(found) == len(names) else {name: name for name in names}


def _own_prefixes(names: Collection[str]) -> Iterator[str]:
    """Nothing, and each prefix of whole parts that all names have: the network may be a wrapper of the one in the file."""
    yield ""
    parts = [name.split(".")[:-1] for name in names]
    for length in range(1, min(map(len, parts), default=0) + 1):
        if len({tuple(one[:length]) for one in parts}) > 1:
            return
        yield ".".join(parts[0][:length]) + "."


def _splits(path: str) -> Iterator[tuple[str, str]]:
    """All divisions of a path between two parts, the first part with its dot."""
    at = 0
    while True:
        yield path[:at], path[at:]
        dot = path.find(".", at)
        if dot < 0:
            return
        at = dot + 1


def _set(prefix: str, own: str, short: Mapping[str, str], paths: Mapping[str, str]) -> _Set:
    return _Set(prefix, own, {original: paths[prefix + name] for name, original in short.items() if prefix + name in paths})


def _alike(one: _Set, tensors: Mapping[str, StoredTensor], own: Mapping[str, Tensor]) -> bool:
    """Whether the tensors have the shapes of the network, but for the number of outputs."""
    pairs = ((tensors[path].tensor.shape, own[name].shape) for name, path in one.paths.items())
    return all(theirs[1:] == ours[1:] and len(theirs) == len(ours) for theirs, ours in pairs)


def _distinct(sets: Sequence[_Set], tensors: Mapping[str, StoredTensor], own: Mapping[str, Tensor]) -> list[_Set]:
    """One of each group of sets with equal tensors, that with the most usual name."""
    found: list[_Set] = []
    for one in sorted(sets, key=lambda one: (not _is_usual(one), len(one.prefix))):
        if not any(_equal(one, other, tensors, own) for other in found):
            found.append(one)
    return found


def _equal(one: _Set, other: _Set, tensors: Mapping[str, StoredTensor], own: Mapping[str, Tensor]) -> bool:
    pairs = ((tensors[one.paths[name]].tensor, tensors[other.paths[name]].tensor) for name in _required(own))
    return all(a is b or (a.dtype == b.dtype and torch.equal(a, b)) for a, b in pairs)


def _is_usual(one: _Set) -> bool:
    return set(one.prefix.split(".")[:-1]) <= _USUAL


def _choose(sets: Sequence[_Set], file: WeightsFile, network: str) -> _Set:
    usual = [one for one in sets if _is_usual(one)]
    if len(sets) > 1 and len(usual) != 1:
        message = f"`weights_key`: {file.path} holds {len(sets)} sets of weights that fit {network}: {_keys(sets)}"
        named = next(one for one in sets if one.key)
        raise UsageError(message, hint=f"choose one, such as `weights_key={named.key}`")
    return (usual or list(sets))[0]


def _others(sets: Sequence[_Set], chosen: _Set, file: WeightsFile, network: str) -> tuple[str, ...]:
    others = [one for one in sets if one is not chosen]
    if not others:
        return ()
    fit = f"{len(sets)} sets of weights that fit {network}: {_keys(sets)}"
    message = f"{file.path}: holds {fit}; {chosen.key or _OUTERMOST} is used"
    named = next((one.key for one in others if one.key), "")
    return (f"{message} (`weights_key={named}` takes another)" if named else message,)


def _keys(sets: Sequence[_Set]) -> str:
    return ", ".join(one.key or _OUTERMOST for one in sets)


def _strangers(chosen: _Set, sets: Sequence[_Set], tensors: Mapping[str, StoredTensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The other tensors in the mappings of the set: by name those below its prefix, and the paths of those beside it."""
    taken = {path for one in sets for path in one.paths.values()}
    mappings = {tensors[path].mapping for path in chosen.paths.values()}
    inside: dict[str, Tensor] = {}
    outside: list[str] = []
    for path, stored in tensors.items():
        if path in taken or stored.mapping not in mappings:
            continue
        unwrapped = ".".join(part for part in path.split(".") if part not in _WRAPPERS)
        name = next((one.removeprefix(chosen.prefix) for one in (unwrapped, path) if one.startswith(chosen.prefix)), None)
        if name is None:
            outside.append(path)
        else:
            inside[chosen.own + name] = stored.tensor
    return inside, outside


def _is_beside(name: str, tensor: Tensor) -> bool:
    """Whether a tensor is not a weight of a layer: by its name or type a counter, an index, or state of a metric or loss."""
    *modules, last = name.split(".")
    if last in _COUNTERS or not tensor.is_floating_point() or (modules and _LOSSES.fullmatch(modules[0])):
        return True
    of_a_layer = last in ("weight", "bias") and tensor.dim() > 1
    return not of_a_layer and any(map(_METRICS.fullmatch, modules))


def _place(file: WeightsFile, chosen: _Set) -> list[str]:
    found = []
    if chosen.key or chosen.wrapped:
        under = f"the weights are those under '{chosen.key}'" if chosen.key else "the weights are named as those of the network"
        within = ", without the parts of wrappers in their names" if chosen.wrapped else ""
        found.append(f"{file.path}: {under}{within}")
    if chosen.own:
        found.append(f"{file.path}: the names of the weights lack the '{chosen.own}' of the network's")
    return found


def _ignored(file: WeightsFile, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    are = "is" if len(names) == 1 else "are"
    return [f"{file.path}: {count(len(names), 'tensor')} that the network does not have {are} ignored: {shown}"]


def _nearest(tensors: Mapping[str, StoredTensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By name, the tensors below the prefix under which most names are the network's; of the largest mapping if none is."""
    needed = _required(own)
    counts = Counter(before for path in tensors for before, after in _splits(path) if after in needed)
    largest = Counter(stored.mapping for stored in tensors.values()).most_common(1)[0][0]
    prefix = counts.most_common(1)[0][0] if counts else f"{largest}." if largest else ""
    below = {path.removeprefix(prefix): stored for path, stored in tensors.items() if path.startswith(prefix)}
    mappings = {stored.mapping for name, stored in below.items() if name in own} or {largest}
    return {name: stored.tensor for name, stored in below.items() if stored.mapping in mappings}
