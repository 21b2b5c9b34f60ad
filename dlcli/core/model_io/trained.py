"""Open a trained network: a run directory, a file of weights, or the user's code that loads its own."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.compute.foreign import guard_calls
from dlcli.core.compute.forward import has_gradients, is_opaque, logits_of
from dlcli.core.compute.loader import to_float
from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import MASK, ImageData, choose
from dlcli.core.ensembles.combine import RuleModel
from dlcli.core.ensembles.score_rules import MemberScores
from dlcli.core.evaluation.input_detective import diagnose_input, images_needed
from dlcli.core.layers.multi_clip import for_clips
from dlcli.core.layers.normalise import normalisation_of, normalised
from dlcli.core.model_io.build import build_model
from dlcli.core.model_io.checkpoint import load_state_into, weights_sha256
from dlcli.core.model_io.class_map import UNNAMED, class_notes, index_warning, map_classes
from dlcli.core.model_io.converted import is_video_network, load_video_network
from dlcli.core.model_io.ensemble_dir import is_ensemble, load_ensemble
from dlcli.core.model_io.loaded import facts_of
from dlcli.core.model_io.pretrained import open_pretrained
from dlcli.core.model_io.programs import is_program, read_program
from dlcli.core.model_io.published_inputs import as_in_file, as_published, file_normalisation
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.model_io.score_metadata import task_of
from dlcli.core.model_io.weights_file import check_weights_file, is_weights, read_weights_file
from dlcli.core.model_io.weights_fit import fit_weights
from dlcli.core.models import named_model
from dlcli.core.models.imagenet import is_number
from dlcli.core.models.output_checks import OutputCheck, check_outputs
from dlcli.specs.input_diagnosis import InputDiagnosis
from dlcli.specs.normalise import AUTO, NONE
from dlcli.support.errors import InputError, MissingInputError, UsageError, error_context
from dlcli.support.in_memory import InMemory
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.suggest import meant_path

_UNKNOWN = (
    "whether images are normalised as in training was not checked, which takes longer than this run: dlcli eval with "
    "`diagnose_input` does"
)
_OPAQUE = 32
"""How many images the outputs of a network are looked at for, if their values alone tell what they are."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network in evaluation mode on its device, its name for messages, and the SHA-256 of its weights.

    `classes` are the names of its outputs in order, where they are known; `notes` say what was done to make it fit. Of an
    ensemble, `model` decides by `rule`, `members` are its networks, and `member_spec` names the first one's architecture.
    `recorded` tells that dlcli wrote down how it wants its images. `warnings` are the notes that the figures may be wrong.
    """

    model: nn.Module
    name: str
    sha256: str
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    members: tuple[nn.Module, ...] = ()
    rule: str = ""
    member_spec: str = ""
    recorded: bool = False
    warnings: tuple[str, ...] = ()


def open_trained(
    spec: str,
    data: ImageData,
    *,
    arch: str | None = None,
    weights: Path | None = None,
    weights_key: str | None = None,
    rule: str | None = None,
    normalise: str = AUTO,
    look: bool = True,
    doubt_outputs: bool = True,
    device: torch.device,
    report: Reporter = SILENT,
) -> TrainedNetwork:
    """Open a trained network and check that it returns finite logits for images of `data`.

    A file of weights does not name the classes. Then classes of `data` that are numbers are the indices of the outputs, and
    other classes are the first outputs in order; a note reports it if the network has more outputs. Data without labels use
    the classes of the network, or the indices of its outputs.

    Args:
        spec: A run directory, the directory of an ensemble, a file that `dlcli convert-2d-to-3d` wrote, another file of weights
            (with `arch`), or a name as `named_model` takes it (with `weights`). Only a network of a hub and a
            `file.py:callable` need no `weights`: what the latter returns is used as trained.
        data: The images and classes that the network is used on.
        arch: Name of the network that the weights in the file `spec` belong to.
        weights: File of weights for the network `spec`.
        weights_key: Which set of weights in the file to take, see `fit_weights`; None for the one that fits.
        rule: Combination rule of an ensemble; None for the rule it was saved with.
        normalise: How the network wants its images, as the option of this name. auto: as is recorded with it; as the published
            weights of the same network want them, for weights in a file; else none.
        look: Whether to look by a few images of `data` if a network is fed as it was in training, unless that is recorded.
        doubt_outputs: Whether to warn of outputs that are probabilities or random.
        device: Where the network goes.
        report: Receives notes on downloads.

    Raises:
        UsageError: If the arguments contradict each other, or no network has that name.
        InputError: If a file is missing or damaged, or does not fit the network or the images.
    """
    if rule is not None and not is_ensemble(Path(spec)):
        raise UsageError(f"`ensemble`: {spec} is not an ensemble", hint="choose a directory that dlcli ensemble wrote")
    hub = _from_hub(spec, data, device, report) if arch is None and weights is None else None
    opened = hub or _open(spec, data, arch, weights, weights_key, rule, device)
    found = _with_normalisation(opened, normalise, data.channels)
    data = data if data.classes else replace(data, classes=UNNAMED)
    numbers = _numbers(data.classes) if found.classes is None else []
    matched = class_notes(found, data)
    more = tuple(line for line in matched if line)
    found = replace(found, notes=(*found.notes, *more), warnings=(*found.warnings, *filter(None, [matched.warning])))
    needed = 1 if found.classes else max([*numbers, len(data.classes) - 1]) + 1
    outputs, seen = _check(found, spec, data, device, needed=needed)
    warnings = seen.warnings if doubt_outputs else ()
    found = replace(found, notes=(*found.notes, *seen.notes, *warnings), warnings=(*found.warnings, *warnings))
    if not found.classes and outputs != len(data.classes) and data.classes != UNNAMED:
        found = replace(found, notes=(*found.notes, _unused(outputs, data) if numbers else _in_order(outputs, data)))
    if numbers and (line := index_warning(data, numbers)):
        found = replace(found, notes=(*found.notes, line), warnings=(*found.warnings, line))
    if numbers:
        found = replace(found, classes=tuple(map(str, range(outputs))))
    if look and not found.recorded and not seen.random and not data.is_sequences:
        found = _looked_at(found, data, device, taken=normalise == AUTO)
    return replace(found, model=for_clips(found.model, data.clips))


def _in_order(outputs: int, data: ImageData) -> str:
    first = ", ".join(f"{name} is output {k}" for k, name in enumerate(data.classes[:2]))
    return f"{_unused(outputs, data)}; the classes are taken as the first of them: {first} ..."


def _unused(outputs: int, data: ImageData) -> str:
    n = len(data.classes)
    return f"the network has more outputs than {data.name} has classes: {outputs - n:,} of {outputs:,} stand for no class of it"


def _looked_at(found: TrainedNetwork, data: ImageData, device: torch.device, *, taken: bool) -> TrainedNetwork:
    """The network with what there is to say about how it is fed; `taken` for granted if nothing asked for it."""
    diagnosis = diagnose_trained(found, data, device=device)
    warnings = (diagnosis.warning,) if diagnosis.warning else ()
    notes = [_UNKNOWN] if diagnosis.too_long else []
    notes += [diagnosis.confirmed] if taken and diagnosis.confirmed and diagnosis.current != NONE else []
    return replace(found, notes=(*found.notes, *notes, *warnings), warnings=(*found.warnings, *warnings))


def diagnose_trained(found: TrainedNetwork, data: ImageData, *, device: torch.device, bounded: bool = True) -> InputDiagnosis:
    """Find how a network was fed from a few images of `data`, and their labels if there are any.

    Args:
        found: The network, for one clip.
        data: Its test set is looked at, or its training set if that is empty.
        device: Where the network is.
        bounded: Whether to do without where it would take long beside the task at hand.
    """
    split = data.splits["test"] if len(data.y_test) else data.splits["train"]
    pixels = data.size[0] * data.size[1] * (data.frames or 1)
    picked = torch.from_numpy(choose(split.y.numpy(), images_needed(found.model, pixels)))
    x = to_float(split.x[picked]).to(device)
    x = x if data.frames is None else x[:, :, : data.frames]
    y = None
    if len(data.classes) > 1:
        with suppress(InputError):
            y = map_classes(found, data).output_of[split.y[picked]]
    return diagnose_input(found.model, x, y, task_size=len(split.y) if bounded else 0)


def _with_normalisation(found: TrainedNetwork, normalise: str, channels: int) -> TrainedNetwork:
    """The network behind the normalisation that was asked for, in place of the one that it came with."""
    if normalise == AUTO:
        if found.recorded or (how := normalisation_of(found.model)) == NONE:
            return found
        return replace(found, notes=(*found.notes, as_published(found.name, how)))
    if found.recorded and is_opaque(found.model):
        raise UsageError(f"`normalise`: {found.name} has its normalisation in it", hint="drop `normalise`")
    if isinstance(found.model, MemberScores):
        raise UsageError(f"`normalise`: the members of {found.name} know how they want their images", hint="omit `normalise`")
    own = found.members or (found.model,)
    other = [name for name in map(normalisation_of, own) if found.recorded and name != normalise]
    note = f"`normalise={normalise}` replaces what {found.name} was trained with: {other[0] if other else ''}"
    members = tuple(normalised(one, normalise, channels) for one in found.members)
    model = RuleModel(members, found.rule).eval() if members else normalised(found.model, normalise, channels)
    return replace(found, model=model, members=members, notes=(*found.notes, *([note] if other else [])))


def _ensemble(folder: Path, rule: str | None, device: torch.device) -> TrainedNetwork:
    saved = load_ensemble(folder, device)
    decided, members = rule or saved.rule, tuple(one.model for one in saved.members)
    if (scores := task_of(str(folder), rule).scores) is not None:
        scored = MemberScores(members, [_value(one) for one in saved.folders]).eval()
        first, name = saved.members[0], f"{saved.spec} ({decided} rule)"
        spec = "" if first.surgery else first.spec
        outputs = scores.objective.outputs
        return TrainedNetwork(scored, name, saved.sha256, outputs, rule=decided, member_spec=spec, recorded=True)
    model = RuleModel(members, decided).eval()
    name = f"{saved.spec} ({decided} rule)"
    first = saved.members[0]
    return TrainedNetwork(
        model,
        name,
        saved.sha256,
        first.classes,
        members=members,
        rule=decided,
        member_spec="" if first.surgery else first.spec,
        recorded=True,
    )


def _value(member: Path) -> Callable[[Tensor], Tensor]:
    """How scores are read from the outputs of a member of an ensemble, which is in its own folder."""
    scores = task_of(str(member)).scores
    if scores is None:
        raise InputError(f"{member}: predicts classes, and the ensemble scores", hint="train it again")
    return scores.objective.value


def check_there(spec: str, arch: str | None = None) -> None:
    """Raise MissingInputError if `spec` must be a path and there is nothing there, before any data are read for it.

    Args:
        spec: The network, as `open_trained` takes it.
        arch: The network that a checkpoint fits.
    """
    if not (isinstance(spec, InMemory) or ":" in spec or arch is not None or Path(spec).exists()):
        raise _not_there(spec)


def _not_there(spec: str) -> MissingInputError:
    hint = "choose a directory that dlcli train wrote, a checkpoint with `arch=NAME`, or FILE.py:CALLABLE"
    return MissingInputError(f"{spec}: no such run directory or checkpoint", hint=meant_path(spec) or hint)


def _open(
    spec: str,
    data: ImageData,
    arch: str | None,
    weights: Path | None,
    key: str | None,
    rule: str | None,
    device: torch.device,
) -> TrainedNetwork:
    if isinstance(spec, InMemory):
        return _from_memory(spec, data, arch, device)
    path = Path(spec)
    if path.is_dir() or is_video_network(path) or is_program(path):
        if arch is not None or weights is not None:
            kind = "a run directory" if path.is_dir() else "a program" if is_program(path) else "a converted network"
            given, has = ("weights", "has its own weights") if arch is None else ("arch", "names its own network")
            raise UsageError(f"`{given}`: {spec} is {kind} and {has}", hint=f"omit `{given}`")
        return _open_whole(path, data, rule, device)
    if weights is not None and arch is None:
        return _from_file(spec, weights, data, key, device)
    if is_weights(path):
        return _from_file(_needed(arch, path), path, data, key, device)
    if arch is not None:
        raise UsageError(f"`arch`: goes with a checkpoint, which {spec} is not", hint="omit `arch`")
    if ":" not in spec:
        raise _not_there(spec)
    with _same_draws():
        found = named_model(spec, data)
        model = found.build().to(device).eval()
    notes = (*found.notes, f"{spec} is taken as trained, as the code returns it")
    return TrainedNetwork(model, spec, weights_sha256(model), notes=notes)


@contextmanager
def _same_draws() -> Iterator[None]:
    """Code that draws the weights it returns draws the same ones in every run; the generators keep their states."""
    with preserved():
        torch.manual_seed(0)
        yield


def _from_memory(spec: InMemory, data: ImageData, arch: str | None, device: torch.device) -> TrainedNetwork:
    """A copy of a network that the program holds, or what a callable returns, taken as trained."""
    if arch is not None:
        raise UsageError(f"`arch`: goes with a checkpoint, which {spec} is not", hint="omit `arch`")
    with _same_draws():
        found = named_model(spec, data)
        model = found.build().to(device).eval()
    notes = () if isinstance(spec.value, nn.Module) else (*found.notes, f"{spec} is taken as trained, as the code returns it")
    known = facts_of(spec.value)
    if known is None:
        return TrainedNetwork(model, spec, weights_sha256(model), notes=notes)
    return TrainedNetwork(model, spec, weights_sha256(model), known.classes, recorded=known.recorded)


def _open_whole(path: Path, data: ImageData, rule: str | None, device: torch.device) -> TrainedNetwork:
    """Open what holds its own weights and names its own network."""
    if is_program(path):
        return _from_program(path, device)
    if is_video_network(path):
        video, metadata = load_video_network(path, device)
        return TrainedNetwork(video, metadata.name, metadata.weights_sha256, metadata.image_network.classes, recorded=True)
    return _ensemble(path, rule, device) if is_ensemble(path) else _from_run(path, data, device)


def _from_program(path: Path, device: torch.device) -> TrainedNetwork:
    program = read_program(path, device)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    # The classes are recorded by `dlcli eval --export`, which exports the normalisation as a part of the network.
    recorded = program.classes is not None
    return TrainedNetwork(
        guard_calls(program.model), path.name, digest, program.classes, notes=program.notes, recorded=recorded
    )


def _from_hub(spec: str, data: ImageData, device: torch.device, report: Reporter) -> TrainedNetwork | None:
    found = open_pretrained(spec, data, report)
    if found is None:
        return None
    return TrainedNetwork(found.model.to(device), found.card.spec, found.sha256, found.card.classes, recorded=True)


def _needed(arch: str | None, path: Path) -> str:
    check_weights_file(path)
    if arch is None:
        raise UsageError(f"`arch`: which network do the weights in {path} belong to?", hint="add `arch=NAME`")
    return arch


def _from_run(folder: Path, data: ImageData, device: torch.device) -> TrainedNetwork:
    saved = load_model(folder, device)
    if (saved.frames is None) != (data.frames is None):
        made = "images" if saved.frames is None else f"clips of {count(saved.frames, 'frame')}"
        raise InputError(f"{folder}: was trained on {made}, and {data.name} holds {data.unit}s", hint="choose another `data`")
    return TrainedNetwork(saved.model, saved.spec, saved.sha256, saved.classes, recorded=True)


def _from_file(arch: str, path: Path, data: ImageData, key: str | None, device: torch.device) -> TrainedNetwork:
    file = read_weights_file(path)
    classes = list(data.classes or UNNAMED)
    model = build_model(arch, data.channels, data.size, classes, frames=data.frames)
    fitted = fit_weights(file, model.state_dict(), network=arch, key=key)
    outputs = _outputs(model, fitted.state, len(classes))
    if outputs != len(classes):
        classes += [str(k) for k in range(len(classes), outputs)]
        model = build_model(arch, data.channels, data.size, classes[:outputs], frames=data.frames)
    load_state_into(model, fitted.state, source=str(path), network=arch)
    how = file_normalisation(path, model.state_dict(), arch)
    model = as_in_file(model, how, data.channels).to(device).eval()
    recorded = how is not None and how.recorded
    digest = weights_sha256(model)
    return TrainedNetwork(model, arch, digest, notes=fitted.notes, recorded=recorded, warnings=fitted.warnings)


def _outputs(model: nn.Module, state: Mapping[str, Tensor], classes: int) -> int:
    """How many outputs the weights have: all tensors that differ must differ in the first axis, and to the same number."""
    own = model.state_dict()
    pairs = [(own[key].shape, state[key].shape) for key in own if key in state and own[key].shape != state[key].shape]
    found = {theirs[0] for ours, theirs in pairs if len(ours) and ours[0] == classes and ours[1:] == theirs[1:]}
    return found.pop() if len(found) == 1 else classes


def _numbers(classes: tuple[str, ...]) -> list[int]:
    """The classes as numbers, in order; empty if one of them is not a whole number in its usual notation."""
    numbers = [int(name) for name in classes if is_number(name)]
    return numbers if len(numbers) == len(classes) else []


def _check(found: TrainedNetwork, spec: str, data: ImageData, device: torch.device, *, needed: int) -> tuple[int, OutputCheck]:
    """How many outputs the network has, once it is seen to give finite logits, at least `needed`, and what they look like."""
    x = data.sample(2 if has_gradients(found.model) else _OPAQUE).to(device)
    with error_context(spec), torch.no_grad():
        masks = data.target == MASK
        logits = logits_of(found.model, x, classes=needed, axes=2 if masks else int(data.steps.predicted))
        return logits.shape[1], OutputCheck() if logits.dim() > 2 else check_outputs(found.model, x, logits)
