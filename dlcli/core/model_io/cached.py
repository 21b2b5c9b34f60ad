"""Networks by seed and name: trained on first use, then taken from the cache."""

import hashlib
import inspect
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.compute import loader, precision, rng
from dlcli.core.compute.device import device_key
from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import ImageData
from dlcli.core.data.splits import draw
from dlcli.core.model_io.checkpoint import load_weights, read_metadata, save_weights, weights_sha256
from dlcli.core.models.base import Architecture
from dlcli.core.training import (
    batch_gradients,
    dead_taps,
    deterministic,
    foreach,
    hooks,
    loop,
    parameter_groups,
    recipe,
    schedule,
)
from dlcli.core.training.loop import train
from dlcli.core.training.recipe import Recipe, resolve_dtype, resolve_threads, steps_per_epoch
from dlcli.support.errors import InputError
from dlcli.support.lock import cache_lock
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.seeds import derive


@dataclass(frozen=True)
class Member:
    """A trained network, in evaluation mode and on its device.

    `sha256` is that of its weights; `reused` if they came from the cache; `seconds` is the wall time of training, 0 if reused.
    """

    model: nn.Module
    sha256: str
    reused: bool
    seconds: float


@dataclass(frozen=True, kw_only=True)
class MemberPlan:
    """All that determines a member's weights.

    Attributes:
        arch: The untrained network.
        data: Its training split is used.
        recipe: How to train.
        seed: Seed of the run.
        name: Name of the network in the run ("baseline", "member-3"). Initial weights, order of the examples and dropout
            depend on the seed and on this name.
        bootstrap: Whether to train on n draws with replacement from the n training examples (Breiman 1996), not on all.
        device: Where to train, and where the network is returned.
    """

    arch: Architecture
    data: ImageData
    recipe: Recipe
    seed: int
    name: str
    bootstrap: bool = False
    device: torch.device


def train_or_load(plan: MemberPlan, *, cache: Path | None = None, report: Reporter = SILENT) -> Member:
    """Train a network, or load it from the cache if an earlier run has trained the same one.

    A second process that needs the same network waits for the first. If a cached file is damaged, a warning is reported and
    the network is trained again.

    Args:
        plan: The network, its data and its training.
        cache: Folder of weights, usually `cache_dir() / "models"`; None to train without a cache.
        report: Receives progress and warnings.

    Raises:
        NumericError: If training diverges.
        ResourceError: If the memory of the device does not suffice.
    """
    if cache is None:
        return _trained(plan, _built(plan), report)
    description = _description(plan)
    file = _cache_file(cache, description)
    with cache_lock(file, f"another run is training the same {plan.name}", report):
        return _from_cache(plan, file, report) or _into_cache(plan, file, description, report)


@dataclass(frozen=True)
class UncachedWeights:
    """The weights of a network that was trained where there is no cache, and what determined them, as text."""

    weights: Mapping[str, Tensor]
    description: str


def train_uncached(plan: MemberPlan, report: Reporter = SILENT) -> UncachedWeights:
    """Train a network as `train_or_load` would, for `add_to_cache` elsewhere."""
    model = _trained(plan, _built(plan), report).model
    return UncachedWeights({key: value.detach().cpu() for key, value in model.state_dict().items()}, _description(plan))


def add_to_cache(found: UncachedWeights, plan: MemberPlan, *, cache: Path, alike: bool, report: Reporter = SILENT) -> None:
    """Keep weights that were trained elsewhere for `train_or_load` with this plan.

    Args:
        found: What `train_uncached` returned.
        plan: The network as it would be trained here.
        cache: Folder of weights.
        alike: Whether to raise InputError if it was determined by other things than here: other data, code or versions.
        report: Receives a warning if the cache cannot be written.
    """
    description = _description(plan)
    if alike and description != found.description:
        hint = "each node has to read the same data and code, which must not change during the run"
        raise InputError(f"{plan.name} was trained elsewhere on other data, or with other code or versions", hint=hint)
    model, file = _built(plan), _cache_file(cache, description)
    model.load_state_dict(found.weights)
    with cache_lock(file, f"another run is training the same {plan.name}", report):
        _save(file, Member(model, weights_sha256(model), reused=False, seconds=0.0), description, report)


def is_cached(plan: MemberPlan, cache: Path) -> bool:
    """Whether `train_or_load` with this plan finds a file in the cache; it may turn out to be damaged."""
    return _cache_file(cache, _description(plan)).exists()


def _cache_file(cache: Path, description: str) -> Path:
    return cache / f"{hashlib.sha256(description.encode()).hexdigest()}.safetensors"


def _from_cache(plan: MemberPlan, file: Path, report: Reporter) -> Member | None:
    if not file.exists():
        return None
    try:
        return _cached(plan, file)
    except InputError as error:
        report.warn(f"{error.message}; {plan.name} is trained again")
        return None


def _into_cache(plan: MemberPlan, file: Path, description: str, report: Reporter) -> Member:
    member = _trained(plan, _built(plan), report)
    _save(file, member, description, report)
    return member


def _save(file: Path, member: Member, description: str, report: Reporter) -> None:
    try:
        save_weights(file, member.model, {"sha256": member.sha256, "determined_by": description})
    except OSError as error:
        report.warn(f"{file}: not cached for the next run ({error.strerror or error})")


def _built(plan: MemberPlan) -> nn.Module:
    """The network with its initial weights."""
    with preserved():
        torch.manual_seed(derive(plan.seed, plan.name, "init"))
        return plan.arch.build()


def _trained(plan: MemberPlan, model: nn.Module, report: Reporter) -> Member:
    x, y = _examples(plan)
    start = time.perf_counter()
    total = plan.recipe.epochs * steps_per_epoch(len(x), plan.recipe.batch_size)
    with report.task(f"training {plan.name}", total) as task:
        train(model, x, y, plan.recipe, seed=derive(plan.seed, plan.name), device=plan.device, task=task, report=report)
    return Member(model, weights_sha256(model), reused=False, seconds=time.perf_counter() - start)


def _examples(plan: MemberPlan) -> tuple[Tensor, Tensor]:
    split, n = plan.data.splits["train"], len(plan.data.y_train)
    if plan.bootstrap:
        drawn = draw(n, 1.0, replacement=True, seed=derive(plan.seed, plan.name, "bootstrap"))
        split = split.take(drawn.numpy())
    return split.x, split.y


def _cached(plan: MemberPlan, file: Path) -> Member:
    """The member whose weights `file` holds; raises InputError if they are damaged."""
    weights = load_weights(file)
    sha256 = weights_sha256(weights)
    # The name of the file is a hash of the question, not of the weights, so it does not reveal damage.
    if read_metadata(file).get("sha256") != sha256:
        raise InputError(f"{file}: the weights are not those that were saved")
    model = _built(plan)
    try:
        model.load_state_dict(weights)
    except RuntimeError:
        raise InputError(f"{file}: the weights are not of this network") from None
    return Member(model.to(plan.device).eval(), sha256, reused=True, seconds=0.0)


def _description(plan: MemberPlan) -> str:
    """Canonical JSON of everything that determines the weights."""
    # With too much in the key a network is trained again; with too little a run gets the weights of another one without notice.
    # So code is covered by a hash of its source rather than by a version number, which is easily forgotten. Precision and
    # threads are those in use here: they decide how sums are rounded, and the recipe only bounds them. The model of the CPU is
    # not covered, because a cache belongs to one machine; that of the GPU is, because a machine may have several.
    training = (batch_gradients, dead_taps, deterministic, foreach, hooks, loop, parameter_groups, recipe, schedule)
    modules = (*training, loader, precision, rng, sys.modules[__name__])
    code = "".join(inspect.getsource(module) for module in modules).encode()
    facts = {
        "data": plan.data.fingerprint,
        "model": [plan.arch.name, plan.arch.source_sha256],
        "recipe": asdict(plan.recipe),
        "run": [plan.seed, plan.name, plan.bootstrap],
        "device": [device_key(plan.device), str(resolve_dtype(plan.recipe, plan.device)), resolve_threads(plan.recipe)],
        "torch": torch.__version__,
        "code": hashlib.sha256(code).hexdigest(),
    }
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))
