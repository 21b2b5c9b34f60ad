"""The sets of images of an attack made by other processes, of this machine or of a cluster: a part of one set a job."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dlcli.core.attacks.base import Attack
from dlcli.core.attacks.minimum_norm import MinimumNorm
from dlcli.core.compute.device import threads
from dlcli.core.compute.executor import Cluster, run_jobs
from dlcli.core.model_io.cached import Member
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.model_io.ensemble_dir import combined_sha256
from dlcli.core.training.recipe import resolve_threads
from dlcli.engines.attack.crafting import AttackRun, name_of_set, opened_run
from dlcli.engines.attack.networks import BASELINE, Untrained
from dlcli.engines.attack.resume import PartialResult
from dlcli.engines.attack.setup import AttackSetup, open_setup
from dlcli.engines.attack.trained_networks import LoadedNetworks, assembled
from dlcli.specs.attack import AttackConfig
from dlcli.support.errors import InputError
from dlcli.support.reporter import SILENT, Reporter, Unstoppable

_Weights = Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True)
class _Job:
    """A part to make.

    Attributes:
        place: That of its set among those that are wanted, or of an attack whose norms are wanted among these.
        eps: The largest perturbation; None for norms.
        part: The number of the part.
    """

    place: int
    eps: float | None
    part: int


@dataclass(frozen=True)
class _Crafting:
    """Makes a set of images, given its job; pickled it has the weights of networks trained here, and reads all else again."""

    run: AttackRun
    own: _Weights

    def __reduce__(self) -> tuple[object, ...]:
        setup = self.run.setup
        return _reopened, (setup.config, setup.data.fingerprint, setup.origin, _networks_sha256(self.run), self.own)

    def __call__(self, job: _Job, report: Reporter) -> PartialResult:
        run = replace(self.run, setup=replace(self.run.setup, report=report), partial=None, made={})
        recipe = run.setup.networks.recipe
        with threads(None if recipe is None else resolve_threads(recipe)):
            if job.eps is None:
                attack = _minimum_norms(run)[job.place]
                return run.find_norms(attack, run.parts(attack)[job.part])
            wanted = run.wanted[job.place]
            return run.make_images(*wanted, job.eps, run.parts(wanted.attack)[job.part])


def make_elsewhere(run: AttackRun, loaded: LoadedNetworks) -> None:
    """Have other processes make what is wanted and not stored, if the options ask for them; adds it to the run.

    Args:
        run: Gets the results.
        loaded: The networks.
    """
    config, setup = run.setup.config, run.setup
    if config.cluster is None and (config.workers or 1) < 2:
        return
    jobs = _jobs(run)
    missing = [name for name in jobs if run.partial is None or not run.partial.has(name)]

    def keep(place: int, made: PartialResult) -> None:
        name = missing[place]
        if run.partial is None:
            run.made[name] = made
        else:
            run.partial.store(name, repr(jobs[name][1]), made)

    run_jobs(
        _Crafting(run, loaded.own),
        [jobs[name][0] for name in missing],
        workers=min(len(missing), config.workers or 1),
        threads=torch.get_num_threads(),
        cluster=Cluster.of(config.cluster, config.workers, setup.device),
        report=Unstoppable(setup.report),
        label="making images, parts of sets",
        store=keep,
    )


def _jobs(run: AttackRun) -> dict[str, tuple[_Job, Attack]]:
    """All parts of all sets and of all norms, with the attack of each, by the name of the result."""
    sets = [(name_of_set(one, eps), k, eps, one.attack) for eps in run.setup.eps if eps > 0 for k, one in enumerate(run.wanted)]
    norms = [(f"nearest {one.name}", k, None, one) for k, one in enumerate(_minimum_norms(run))]
    return {
        name + part.name: (_Job(place, eps, number), attack)
        for name, place, eps, attack in [*sets, *norms]
        for number, part in enumerate(run.parts(attack))
    }


def _minimum_norms(run: AttackRun) -> list[MinimumNorm]:
    return [one for one in run.setup.attacks if isinstance(one, MinimumNorm)]


def _networks_sha256(run: AttackRun) -> str:
    return combined_sha256([weights_sha256(one) for one in run.networks])


def _reopened(config: AttackConfig, fingerprint: str, origin: str, sha256: str, own: _Weights) -> _Crafting:
    setup = open_setup(config, SILENT)
    if setup.data.fingerprint != fingerprint:
        raise InputError(f"{setup.data.name}: the data are others there", hint="start again when nothing writes to them")
    if setup.origin != origin:
        raise InputError(f"{config.surrogate}: the surrogate is another there", hint="start again when nothing writes to it")
    fitted = {name: _member(setup, name, weights) for name, weights in own.items()}
    run = opened_run(setup, assembled(setup.networks, setup.data, setup.outputs, fitted))
    if _networks_sha256(run) != sha256:
        raise InputError(f"{config.model}: the weights are others there", hint="start again when nothing writes to them")
    return _Crafting(run, own)


def _member(setup: AttackSetup, name: str, weights: Mapping[str, Tensor]) -> Member:
    """A network that was trained in the first process."""
    network = setup.networks.baseline if name == BASELINE else setup.networks.ensemble
    if not isinstance(network, Untrained):
        raise TypeError(f"{name} was not trained here")
    model = network.arch.build()
    model.load_state_dict(weights)
    return Member(model.to(setup.device).eval(), weights_sha256(weights), reused=True, seconds=0.0)
