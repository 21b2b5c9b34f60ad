"""Turns the objects that a function is given into values of a configuration."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlcli.support.errors import UsageError
from dlcli.support.in_memory import InMemory

_NETWORKS, _DATA = ("model", "surrogate"), ("data", "recalibrate_bn")
_TEST_ONLY = ("evaluate", "attack", "probe_gradients")
"""Functions that evaluate a trained network on all examples of an undivided set."""


def values_of(function: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the configuration of a function, from what it is called with.

    Args:
        function: Its name.
        given: Its arguments by name, without `progress`.

    Returns:
        Values by field, objects as `InMemory`.

    Raises:
        UsageError: If an argument is of a kind that it cannot be, or `bounds` and `normalise` are both given.
    """
    values = _with_bounds(dict(given))
    if "table" in values:
        values["table"] = _table(values["table"])
    for name in _NETWORKS if function != "dedupe" else ():
        if name in values:
            found = values[name]
            values[name] = (
                tuple(_network(one, name) for one in found) if type(found) in (list, tuple) else _network(found, name)
            )
    whole = function in _TEST_ONLY and _comes_trained(values)
    for name in _DATA:
        if name in values:
            values[name] = _data(values[name], whole=whole and name == "data")
    return values


def _with_bounds(values: dict[str, Any]) -> dict[str, Any]:
    bounds = values.pop("bounds", None)
    if bounds is None:
        return values
    if values.get("normalise", "auto") != "auto":
        raise UsageError("`bounds` and `normalise` cannot be combined", hint="`normalise` alone can express both")
    return {**values, "normalise": bounds_as_normalisation(bounds)}


def bounds_as_normalisation(bounds: tuple[float, float]) -> str:
    """The value of `normalise` that maps [0, 1] to the range `bounds`; raises UsageError if the range is empty.

    `normalise` reads values above 1 as those of pixels from 0 to 255, so a mean above 1 is given on that scale.
    """
    low, high = map(float, bounds)
    if not low < high:
        raise UsageError(f"`bounds` must be (low, high) with low below high, not {bounds}", hint="such as (0, 255)")
    if (low, high) == (0.0, 1.0):
        return "none"
    if (low, high) == (0.0, 255.0):
        return "0-255"
    mean, std = -low / (high - low), 1 / (high - low)
    scale = 255 if max(mean, std) > 1 else 1
    return f"{mean * scale!r}/{std * scale!r}"


def _network(value: Any, name: str) -> Any:
    """A network as a name: its spelling if code can be imported by it, which a later run can then do too."""
    if value is None or isinstance(value, (str, Path)):
        return str(value) if isinstance(value, Path) else value
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.nn.Module):
        return InMemory(type(value).__name__, value)
    if not callable(value):
        raise UsageError(f"`{name}`: {type(value).__name__} is not a network", hint="give a name, a path or a torch.nn.Module")
    module, spelling = getattr(value, "__module__", None), getattr(value, "__name__", "")
    if module not in (None, "__main__") and getattr(sys.modules.get(str(module)), spelling, None) is value:
        return f"{module}:{spelling}"
    return InMemory(spelling or type(value).__name__, value)


def _data(value: Any, *, whole: bool) -> Any:
    if value is None or isinstance(value, (str, Path)):
        return str(value) if isinstance(value, Path) else value
    divided = isinstance(value, Mapping)
    kind = "arrays" if isinstance(value, (tuple, list)) or divided else type(value).__name__
    return InMemory(kind, {"test": value} if whole and not divided else value)


def _table(value: Any) -> Any:
    if value is None or isinstance(value, (str, Path)):
        return str(value) if isinstance(value, Path) else value
    return InMemory(type(value).__name__, value)


def _comes_trained(values: Mapping[str, Any]) -> bool:
    """Whether the network is used as it is, so that none of the examples are trained on."""
    model = values.get("model")
    if model is None or values.get("epochs") is not None or values.get("diagnose"):
        return False
    if isinstance(model, InMemory):
        return values.get("ensemble") is None
    trained = values.get("weights") is not None or values.get("arch") is not None
    return trained or ":" in model or Path(model).exists()


def in_one_process(config: Any) -> Any:
    """`config`, with one worker if it holds an object: other processes may not be able to import what this is made of."""
    values = (one for value in vars(config).values() for one in (value if type(value) is tuple else (value,)))
    held = any(isinstance(one, InMemory) for one in values)
    if held and getattr(config, "cluster", None) is not None:
        raise UsageError("`cluster`: an object in memory is on this machine only", hint="name a file that each node can read")
    trains = getattr(config, "compares", hasattr(config, "strategy")) and hasattr(config, "workers")
    if trains and config.workers is None and held:
        return replace(config, workers=1)
    return config
