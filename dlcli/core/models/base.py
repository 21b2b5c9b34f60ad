"""`Architecture`: an untrained network with its recipe, from the zoo or from the user's own code."""

import copy
import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from dlcli.core.compute.foreign import foreign_calls, guard_calls, keep_one_output
from dlcli.core.compute.forward import call_model, in_mode, logits_of
from dlcli.core.compute.rng import preserved
from dlcli.core.layers.normalise import normalised
from dlcli.core.layers.on_sequences import OnSequences
from dlcli.core.models.code import RecordedCode, first_line, import_code, source_sha256
from dlcli.core.models.hubs import HubName
from dlcli.core.models.output_checks import OutputCheck, check_outputs, unused_outputs
from dlcli.core.training.recipe import Recipe
from dlcli.specs.normalise import AUTO
from dlcli.support.errors import InputError, UsageError, error_context
from dlcli.support.in_memory import InMemory
from dlcli.support.plural import count

GENERAL_RECIPE = Recipe(epochs=10, batch_size=64, optimizer="adam", lr=1e-3, schedule="cosine")
"""The recipe of networks that define none."""

_DEEPEST = 10_000
"""Layers of the deepest network of a family."""
_CHANNELS = ("channels", "in_channels", "in_chans")
_CLASSES = ("classes", "num_classes", "n_classes")
"""What arguments for the number of channels and classes are called."""


@dataclass(frozen=True)
class Architecture:
    """A network before training.

    `build()` makes one with fresh random weights, drawn from torch's global generator; it takes (n, c, h, w), or clips
    (n, c, t, h, w), in [0, 1] and returns logits (n, classes). `source_sha256` changes when the code behind it does; `notes`
    say what the user should know.
    """

    name: str
    build: Callable[[], nn.Module]
    recipe: Recipe
    source_sha256: str
    notes: tuple[str, ...] = ()


def from_zoo(
    name: str,
    module: ModuleType,
    channels: int,
    size: tuple[int, int],
    classes: int,
    *,
    depth: int | None = None,
    sizes: tuple[int, ...] = (),
) -> Architecture:
    """The architecture that a module of the zoo builds.

    Args:
        name: Name of the network in messages and results, with its depth if it has one.
        module: A module with `build`, `RECIPE` and `SMALLEST`; a family also has `check_depth`.
        channels: Channels of the images.
        size: Height and width of the images in pixels.
        classes: Number of outputs.
        depth: Number of layers of a network of a family; None for its default depth, or for a single network.
        sizes: What follows its name, as 4 and 24 in `tcn:4:24`, for the parameters that `ARGUMENTS` of the module names.

    Raises:
        InputError: If the images are too small for the network.
        UsageError: If the network does not exist in this depth, or has no such sizes.
    """
    if min(size) < module.SMALLEST:
        message = f"{name} needs images of at least {module.SMALLEST}x{module.SMALLEST}; these are {size[0]}x{size[1]}"
        raise InputError(message, hint="choose another `model`")
    build = partial(module.build, channels, size, classes)
    if depth is not None:
        wrong = module.check_depth(depth) if hasattr(module, "check_depth") else "comes in one depth only"
        wrong = wrong or (f"has at most {count(_DEEPEST, 'layer')}" if depth > _DEEPEST else "")
        if wrong:
            raise UsageError(f"{name} {wrong}", hint=f"`model={name.rpartition('-')[0]}`")
        build = partial(build, depth=depth)
    build = partial(build, **_sizes(name, getattr(module, "ARGUMENTS", {}), sizes))
    return Architecture(name, build, module.RECIPE, source_sha256(module))


def _sizes(name: str, arguments: Mapping[str, int], sizes: tuple[int, ...]) -> dict[str, int]:
    """The sizes that a name gives, by the parameters they are for, each with the largest that it takes."""
    plain = name.partition(":")[0]
    if len(sizes) > len(arguments):
        takes = f"{plain}:{':'.join(map(str.upper, arguments))}" if arguments else plain
        raise UsageError(f"`model`: {name} has {count(len(sizes), 'size')}", hint=f"`model={takes}`")
    for (argument, most), size in zip(arguments.items(), sizes, strict=False):
        if not 1 <= size <= most:
            raise UsageError(f"`model`: {name}: {argument} must be from 1 to {most:,}", hint=f"`model={plain}`")
    return dict(zip(arguments, sizes, strict=False))


def from_hub(spec: str, found: HubName, channels: int, size: tuple[int, int], classes: int) -> Architecture:
    """The architecture of a published network, with random weights.

    Args:
        spec: Its name in messages and results.
        found: The hub and its name there.
        channels: Channels of the images.
        size: Height and width of the images in pixels.
        classes: Number of outputs.

    Returns:
        The architecture; building it raises UsageError if the hub has no such network, InputError if it takes no such images.
    """
    build = partial(found.hub.build, found.name, channels, size, classes)
    return Architecture(spec, build, GENERAL_RECIPE, hashlib.sha256(f"{spec} of a hub".encode()).hexdigest())


def normalised_architecture(architecture: Architecture, normalise: str, channels: int) -> Architecture:
    """`architecture` behind the normalisation of that name, in place of its own; auto leaves it as it is.

    Raises what `normalised` raises.
    """
    if normalise == AUTO:
        return architecture
    normalised(nn.Identity(), normalise, channels)  # refuses here what it would refuse at each build
    digest = hashlib.sha256(f"{architecture.source_sha256} {normalise}".encode()).hexdigest()
    build = partial(_built_normalised, architecture.build, normalise)
    return replace(architecture, build=build, source_sha256=digest)


def _built_normalised(build: Callable[[], nn.Module], normalise: str) -> nn.Module:
    return normalised(build(), normalise)


def with_one_output(architecture: Architecture) -> Architecture:
    """`architecture`, whose one output is a score; of the user's own code it would be the logit of two classes otherwise."""
    return replace(architecture, build=partial(_built_with_one_output, architecture.build))


def on_sequences(architecture: Architecture, *, by_step: bool = False) -> Architecture:
    """`architecture`, a network of steps, as one of whole sequences or, `by_step`, of padded ones; see `OnSequences`."""
    return replace(architecture, build=partial(_built_on_sequences, architecture.build, by_step))


def _built_on_sequences(build: Callable[[], nn.Module], by_step: bool) -> nn.Module:
    return OnSequences(build(), by_step=by_step)


def _built_with_one_output(build: Callable[[], nn.Module]) -> nn.Module:
    return keep_one_output(build())


def check_fit(architecture: Architecture, x: Tensor, classes: int, *, exactly: bool = False, axes: int = 0) -> tuple[str, ...]:
    """Build the network once and show it images or clips; what there is to note about its outputs.

    Args:
        architecture: The network.
        x: Images or clips, (n, ...).
        classes: How many outputs it needs.
        exactly: Whether it may not have more.
        axes: How many further axes they have, see `logits_of`.

    Raises:
        InputError: If its outputs are not as many, and what `logits_of` raises, naming the network.
    """
    with preserved(), torch.no_grad():
        model = architecture.build().eval()
        with error_context(architecture.name):
            logits = logits_of(model, x, classes=classes, axes=axes)
            if exactly and logits.shape[1] != classes:
                there = count(logits.shape[1], "output")
                hint = "let it take their number as an argument, such as `classes`"
                raise InputError(f"the model has {there}; {classes} are needed", hint=hint)
            found = check_outputs(model, x, logits) if not axes else OutputCheck()
    return (*found.notes, *found.warnings, *unused_outputs(logits.shape[1], classes))


def from_callable(
    spec: str,
    channels: int,
    size: tuple[int, int],
    classes: int,
    *,
    frames: int | None = None,
    recorded: RecordedCode | None = None,
) -> Architecture:
    """The architecture that a callable of the user builds; imports, and so runs, the user's code.

    The callable receives those of `channels`, `size`, `classes` and, for clips, `frames` that its signature names; channels and
    classes also by the names that timm and torchvision use.

    Args:
        spec: `package.module:callable` or `file.py:callable`.
        channels: Channels of the images or frames.
        size: Height and width in pixels.
        classes: Number of outputs; 0 if it is unknown, which leaves it to the callable.
        frames: Frames per clip; None for images.
        recorded: What the file that names the code records of it; None if the user named it.

    Raises:
        UsageError: If there is no such module or callable.
        InputError: If the code may not be imported, differs from `recorded` or fails, or returns no nn.Module.
    """
    source, _, name = spec.rpartition(":")
    module = import_code(spec, recorded)
    function = getattr(module, name, None)
    if not callable(function):
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        raise UsageError(f"{source} has no callable '{name}'", hint=f"it has: {', '.join(own) or 'none'}")
    known = {} if frames is None else {"frames": frames}
    known |= dict.fromkeys(_CLASSES, classes) if classes else {}
    named = _named_arguments(function, {**dict.fromkeys(_CHANNELS, channels), "size": size, **known})
    shape = (channels, *size) if frames is None else (channels, frames, *size)
    build = partial(_built, spec, function, named, shape)
    return Architecture(spec, build, GENERAL_RECIPE, source_sha256(module), _called_note(spec, named))


def from_object(
    spec: InMemory, channels: int, size: tuple[int, int], classes: int, *, frames: int | None = None
) -> Architecture:
    """The architecture of a network that the program holds, or of a callable that builds one.

    Args:
        spec: An nn.Module, of which every build is a copy with the same weights; or a callable, as in `from_callable`.
        channels: Channels of the images or frames.
        size: Height and width in pixels.
        classes: Number of outputs; 0 if it is unknown.
        frames: Frames per clip; None for images.

    Raises:
        InputError: If the network cannot be copied, or the callable fails or returns no nn.Module.
    """
    if isinstance(spec.value, nn.Module):
        return Architecture(spec, partial(_copied, spec), GENERAL_RECIPE, spec.identity, (f"{spec} starts from its weights",))
    known = {} if frames is None else {"frames": frames}
    known |= dict.fromkeys(_CLASSES, classes) if classes else {}
    named = _named_arguments(spec.value, {**dict.fromkeys(_CHANNELS, channels), "size": size, **known})
    shape = (channels, *size) if frames is None else (channels, frames, *size)
    build = partial(_built, spec, spec.value, named, shape)
    return Architecture(spec, build, GENERAL_RECIPE, spec.identity, _called_note(spec, named))


def _copied(spec: InMemory) -> nn.Module:
    try:
        copied: nn.Module = copy.deepcopy(spec.value)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"{spec}: cannot be copied: {first_line(error)}", hint="pass what builds it") from error
    return copied if foreign_calls(copied) else guard_calls(copied)


def _called_note(spec: str, named: Mapping[str, Any]) -> tuple[str, ...]:
    """A note on arguments of names that other libraries use, whose defaults the user may rely on."""
    theirs = [f"{name}={value}" for name, value in named.items() if name in (*_CHANNELS[1:], *_CLASSES[1:])]
    return (f"{spec} is called with {', '.join(theirs)}, as the data need",) if theirs else ()


def _named_arguments(function: Callable[..., Any], known: dict[str, Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # some compiled callables have none
        return {}
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {key: value for key, value in known.items() if key in parameters and parameters[key].kind in by_name}


def _built(spec: str, function: Callable[..., Any], named: dict[str, Any], shape: tuple[int, ...]) -> nn.Module:
    try:
        model = function(**named)
    except (Exception, SystemExit) as error:
        passed = f"dlcli passes those of {', '.join((*_CHANNELS, 'size', *_CLASSES))} (and frames of clips) that it names"
        raise InputError(f"calling {spec} failed: {first_line(error)}", hint=passed) from error
    if not isinstance(model, nn.Module):
        raise InputError(f"{spec} returned {type(model).__name__}, not a torch.nn.Module")
    if any(map(is_lazy, chain(model.parameters(), model.buffers()))):
        # Lazy layers learn their shapes, and draw their weights, in the first pass.
        with error_context(spec), in_mode(model), torch.no_grad():
            call_model(model, torch.zeros(1, *shape))
    return guard_calls(model)
