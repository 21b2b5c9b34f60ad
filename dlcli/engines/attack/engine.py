"""The engine of `dlcli attack`: measures adversarial robustness, and whether an ensemble improves it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from dlcli.core.attacks.minimum_norm import MinimumNorm
from dlcli.core.compute.device import describe_device, device_key, fast_dtype, threads
from dlcli.core.grouped import share_of
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.model_io.ensemble_dir import combined_sha256
from dlcli.core.model_io.score_metadata import task_of
from dlcli.core.training.recipe import resolve_threads
from dlcli.engines.anytime import fails_so_far
from dlcli.engines.attack.check_runs import check_inputs
from dlcli.engines.attack.checks import failed_checks
from dlcli.engines.attack.corruptions import measure_corruptions, plan_corruptions
from dlcli.engines.attack.crafting import AdversarialSet, AttackRun, Correctness, Evaluation, opened_run
from dlcli.engines.attack.elsewhere import make_elsewhere
from dlcli.engines.attack.images import AttackedImages, pick_adversarial, save_images
from dlcli.engines.attack.networks import BASELINE, Untrained
from dlcli.engines.attack.notes import norm_notes, notes, unchanged_images
from dlcli.engines.attack.random_order import Attacked, attack_all, attack_until_sure
from dlcli.engines.attack.resume import PartialResults, parts_folder, stored_parts
from dlcli.engines.attack.rows import PerImage, by_method, per_image, rows
from dlcli.engines.attack.scores import attack_scores, plan_scores
from dlcli.engines.attack.setup import AttackSetup, open_setup
from dlcli.engines.attack.tasks import attack_task, plan_task
from dlcli.engines.attack.threat_model import baseline_threat, threat_model
from dlcli.engines.attack.trained_networks import LoadedNetworks, NetworkTraining
from dlcli.engines.trusted import only_named_code
from dlcli.specs.anytime import Stopped, stops_early
from dlcli.specs.attack import AttackClassRow, AttackConfig, AttackResult, AttackRow, Classifier, Finding, MethodRow, ThreatKind
from dlcli.specs.corruption_attack import CorruptionResult
from dlcli.specs.corruptions import METHOD
from dlcli.specs.gate import gate
from dlcli.specs.score_attack import ScoreAttackResult
from dlcli.specs.task_attack import TaskAttackResult
from dlcli.support.finish import finish
from dlcli.support.paths import cache_dir
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter

FILES = ("adversarial.npz", "examples.png", "tsne.png", "report.html")
"""The files of the output directory, tsne.png only for networks with a last hidden layer; the command line adds run.json."""


@only_named_code
def run(
    config: AttackConfig, *, report: Reporter = SILENT
) -> AttackResult | CorruptionResult | ScoreAttackResult | TaskAttackResult:
    """Train or open the networks, attack the test images, evaluate every classifier, and run sanity checks on the result.

    Of a network that predicts scores these are moved, see `attack_scores`; of masks and sequences see `attack_task`. With
    `method=corruptions` the images are corrupted in place of attacked, see `measure_corruptions`.

    Images are made on the baseline, a network that is not a member of any ensemble, and on the ensemble if there is one. They
    are stored beside `config.output` or `config.save` until the run ends, so that `config.resume` can continue from them.

    Args:
        config: The options; with `output`, the files of `FILES` are written to that directory.
        report: Receives notes and progress.

    Raises:
        DlcliError: One of the kinds in `dlcli.support.errors`.
    """
    if (task := task_of(config.model)).scores is not None:
        return attack_scores(config, task, report)
    if task.masks is not None or task.sequences is not None:
        return attack_task(config, task, report)
    setup = open_setup(config, report)
    recipe = setup.networks.recipe
    if config.members is not None and config.ensemble is None and setup.networks.ensemble is None:
        report.warn("`members` has no effect without an ensemble: add `ensemble=RULE`")
    if config.resume and not stored_parts(config):
        report.note("`resume`: no finished images are stored, so the attack starts over")
    # Small networks run slower with more threads, in evaluation as in training.
    with nullcontext() if recipe is None else threads(resolve_threads(recipe)), _told_if_interrupted(config, report):
        return measure_corruptions(setup) if METHOD in config.methods else _run(setup)


@contextmanager
def _told_if_interrupted(config: AttackConfig, report: Reporter) -> Iterator[None]:
    """Report what an interrupted run leaves behind, and how to continue."""
    try:
        yield
    except BaseException as error:
        # Signals end a run by exceptions that are no Exception. Only whole parts of sets are stored.
        if not isinstance(error, Exception) and parts_folder(config) is not None:
            stored = stored_parts(config)
            kept = f"{count(stored, 'finished part')} of the images {'is' if stored == 1 else 'are'} kept"
            report.note(
                f"{kept}; continue with `resume`"
                if stored
                else "no part of the images was finished, so `resume` would start over"
            )
        raise


@only_named_code
def plan(config: AttackConfig) -> list[str]:
    """What `run` would do, one line per step; opens the data and builds the network once, but trains and writes nothing."""
    if (task := task_of(config.model)).scores is not None:
        return plan_scores(config, task)
    if task.masks is not None or task.sequences is not None:
        return plan_task(config, task)
    setup = open_setup(config, SILENT)
    data = setup.data
    shape = "x".join(map(str, data.x_test.shape[1:]))
    read = f"{data.name}: {len(data.x_train)} training and {count(len(data.x_test), 'test image')} of {shape}"
    lines = [f"read {read}, {count(len(data.classes), 'class', 'classes')}", *_plan_networks(setup)]
    if METHOD in config.methods:
        return [*lines, *plan_corruptions(setup)]
    values, names = ", ".join(f"{eps:g}" for eps in setup.eps), ",".join(config.methods)
    lines.append(f"attack {count(len(setup.x), 'test image')} of {_attacked(setup)} by {names} ({setup.norm}) at eps {values}")
    if config.save is not None:
        lines.append(f"write {config.save}")
    if config.output is not None:
        lines.append(f"write {', '.join(FILES)} in {config.output}")
    return lines


def _attacked(setup: AttackSetup) -> str:
    if not setup.members:
        return f"the {BASELINE}"
    members = f"{count(setup.members, 'member')} under every rule"
    return members if setup.networks.baseline is None else f"the {BASELINE}, and {members}"


def _plan_networks(setup: AttackSetup) -> list[str]:
    """The networks that are opened and those that are trained, one line for each."""
    networks = setup.networks
    both = [one for one in (networks.ensemble, networks.baseline) if one is not None]
    opened = [
        f"open {one.name} as trained (SHA-256 {one.sha256}) on {setup.device}" for one in both if not isinstance(one, Untrained)
    ]
    return [*opened, *_plan_training(setup)]


def _plan_training(setup: AttackSetup) -> list[str]:
    networks = setup.networks
    members = [f"{count(setup.members, 'bootstrapped member')}"] if isinstance(networks.ensemble, Untrained) else []
    both = [(networks.baseline, BASELINE)] if isinstance(networks.baseline, Untrained) else []
    found = [one for one in (networks.baseline, networks.ensemble) if isinstance(one, Untrained)]
    if not found:
        return []
    what = " and ".join([name for _, name in both] + members)
    training = NetworkTraining(setup.config, setup.data, networks, setup.device)
    processes = training.plan_processes(training.names)
    where = processes.describe_devices(setup.device) if processes.gpus else setup.device
    return [
        f"train {found[0].name} for {count(found[0].recipe.epochs, 'epoch')} on {where}: {what}; "
        f"any of them found in {cache_dir() / 'models'} is reused"
    ]


@dataclass(frozen=True)
class _Outcome:
    """All adversarial images in the order of eps, the rows about them, and the row of the headline."""

    clean: Evaluation
    sets: tuple[AdversarialSet, ...]
    rows: tuple[AttackRow, ...]
    headline: AttackRow

    def at(self, eps: float) -> list[AdversarialSet]:
        return [one for one in self.sets if one.eps == eps]


def _run(setup: AttackSetup) -> AttackResult:
    config, threat = setup.config, baseline_threat(setup)
    opened = time.perf_counter()
    loaded = setup.load_networks()
    started = time.perf_counter()
    attacked = _attack(setup, _attack_run(setup, loaded), threat)
    attack_run, setup = attacked.attack_run, attacked.attack_run.setup
    outcome = _outcome(setup, attacked, threat)
    found = failed_checks(check_inputs(attack_run, outcome.clean, outcome.sets, attacked.doubled))
    methods = _methods(setup, attacked, outcome)
    if loaded.reused:
        setup.report.note(f"reused {count(loaded.reused, 'network')} from the cache")
    result = AttackResult(
        method=",".join(config.methods),
        norm=setup.norm,
        eps=setup.eps,
        data=setup.data.name,
        model=setup.networks.attacked.name,
        model_sha256=loaded.sha256,
        n_images=len(setup.x),
        members=setup.members,
        rule=setup.networks.rule,
        reference=Classifier.BASELINE if attack_run.reference == BASELINE else Classifier.of_rule(attack_run.reference),
        threat_model=threat_model(setup, threat, loaded.sha256),
        headline=outcome.headline,
        rows=outcome.rows,
        by_method=methods,
        per_class=_per_class(setup, outcome),
        findings=found,
        trained=loaded.trained,
        reused=loaded.reused,
        seed=config.seed,
        device=describe_device(setup.device),
        seconds_training=started - opened if loaded.trained + loaded.reused else 0.0,
        seconds_attack=time.perf_counter() - started,
        stopped=attacked.stopped,
        notes=(
            *loaded.notes,
            *attacked.notes,
            *unchanged_images(setup.norm, outcome.headline, setup.x[0].numel()),
            *_notes(setup, outcome.rows, methods, threat),
        ),
        failed=_failed(config, outcome.headline, found, attacked.stopped),
    )
    _write_files(attack_run, result, outcome)
    if attack_run.partial is not None:
        finish(attack_run.partial.remove, removes=[attack_run.partial.folder])
    return result


def _attack_run(setup: AttackSetup, loaded: LoadedNetworks) -> AttackRun:
    """The networks of the run, the targets, and the images that an interrupted run or other processes have made."""
    opened = opened_run(setup, loaded)
    run = replace(opened, partial=_partial_results(setup, opened.networks))
    make_elsewhere(run, loaded)
    return run


def _partial_results(setup: AttackSetup, networks: Sequence[nn.Module]) -> PartialResults | None:
    """Where images are stored until the run ends, None if it writes no files."""
    config, folder = setup.config, parts_folder(setup.config)
    if folder is None or stops_early(config):
        return None
    partial = PartialResults(folder, _determined_by(setup, networks))
    if not config.resume:
        partial.remove()
    return partial


def _determined_by(setup: AttackSetup, networks: Sequence[nn.Module]) -> dict[str, object]:
    """Everything besides the attack that adversarial images depend on bit for bit, in the terms of JSON.

    Threads, device and the version of torch are among it, since sums in another order round differently.
    """
    config = setup.config
    return {
        "data": setup.data.fingerprint,
        "limit": config.limit,
        "number of images": len(setup.x),
        "target": config.target,
        "network": combined_sha256([weights_sha256(one) for one in networks]),
        "origin of transferred images": setup.origin,
        "normalise": config.normalise,
        "norm": setup.norm,
        "seed": config.seed,
        "device": device_key(setup.device),
        "number format": str(fast_dtype(setup.device)),
        "number of threads": torch.get_num_threads(),
        "version of torch": torch.__version__,
    }


def _attack(setup: AttackSetup, attack_run: AttackRun, threat: ThreatKind) -> Attacked:
    """Attack all images, or as many as decide the gate or the time allows."""
    if not stops_early(setup.config):
        return attack_all(attack_run)

    def headline(clean: Correctness, sets: Sequence[AdversarialSet]) -> PerImage:
        row = _headline(setup, rows(clean, sets, threat))
        return per_image(clean, sets, row.classifier, row.threat)

    return attack_until_sure(attack_run, headline)


def _outcome(setup: AttackSetup, attacked: Attacked, threat: ThreatKind) -> _Outcome:
    by_eps = attacked.by_eps
    found = [row for sets in by_eps.values() for row in rows(attacked.clean.correctness, sets, threat, attacked.intervals)]
    every = tuple(one for sets in by_eps.values() for one in sets)
    return _Outcome(attacked.clean, every, tuple(found), _headline(setup, found))


def _methods(setup: AttackSetup, attacked: Attacked, outcome: _Outcome) -> tuple[MethodRow, ...]:
    """The rows of single methods; minimum-norm methods are also run without a limit on the perturbation."""
    norms = {one.name: attacked.attack_run.minimum_norms(one) for one in setup.attacks if isinstance(one, MinimumNorm)}
    return tuple(row for eps in setup.eps for row in by_method(outcome.at(eps), norms, attacked.intervals))


def _headline(setup: AttackSetup, found: Sequence[AttackRow]) -> AttackRow:
    """The row of the chosen rule against the strongest attacker, or of the baseline, at the largest eps."""
    wanted = Classifier.of_rule(setup.networks.rule) if setup.members else Classifier.BASELINE
    own = [row for row in found if row.classifier is wanted]
    return max(own, key=lambda row: (row.eps, row.threat is ThreatKind.WORST_CASE))


def _per_class(setup: AttackSetup, outcome: _Outcome) -> tuple[AttackClassRow, ...]:
    top, y = outcome.headline, setup.y.numpy()
    clean, adversarial, _ = per_image(outcome.clean.correctness, outcome.at(top.eps), top.classifier, top.threat)
    return tuple(
        AttackClassRow(
            name=setup.outputs[label],
            clean=share_of(clean[own], None if setup.group is None else setup.group[own]),
            adversarial=share_of(adversarial[own], None if setup.group is None else setup.group[own]),
        )
        for label, own in ((one, y == one) for one in np.unique(y).tolist())
    )


def _notes(setup: AttackSetup, found: Sequence[AttackRow], methods: Sequence[MethodRow], threat: ThreatKind) -> tuple[str, ...]:
    opening = [note if note.endswith(".") else f"{note}." for note in setup.notes]
    names = " and ".join(setup.config.methods)
    return (*opening, *notes(found, method=names, threat=threat), *norm_notes(methods))


def _failed(config: AttackConfig, headline: AttackRow, found: Sequence[Finding], stopped: Stopped | None) -> str:
    wanted = gate(config.fail_under)
    if wanted is None:
        return ""
    metric = wanted.metric
    figure = headline.clean if metric == "clean" else headline.adversarial
    fails = wanted.fails(figure)
    if stopped is not None and stopped.early:
        figure, fails = stopped.share, fails_so_far(wanted, stopped)
    if fails:
        return f"{metric} accuracy of the {headline.classifier} at eps {headline.eps:g} is {wanted.below(figure)}"
    if metric == "robust" and found:
        return f"robust accuracy {figure} cannot be trusted: {found[0].check}: {found[0].detail}"
    return ""


def _write_files(attack_run: AttackRun, result: AttackResult, outcome: _Outcome) -> None:
    """Write the files of `save` and `output`."""
    config = attack_run.setup.config
    if config.save is None and config.output is None:
        return
    images = _images(attack_run.setup, outcome)
    if config.save is not None:
        save_images(config.save, images)
    if config.output is not None:
        # Imported here, since they import matplotlib.
        from dlcli.engines.attack.hidden_layer import add_hidden_features
        from dlcli.engines.attack.report import write_report

        model = attack_run.network(attack_run.reference)
        write_report(config.output, result, add_hidden_features(images, outcome.headline.eps, model, attack_run.setup.device))


def _images(setup: AttackSetup, outcome: _Outcome) -> AttackedImages:
    """The images made on the reference network; with several methods, for each image one that fools it, if any does."""
    picked = {eps: pick_adversarial(outcome.at(eps)) for eps in setup.eps}
    return AttackedImages(
        clean=setup.x.numpy(),
        labels=setup.y.numpy(),
        predicted_clean=outcome.clean.predicted,
        adversarial={eps: one.images for eps, one in picked.items()},
        predicted={eps: one.predicted for eps, one in picked.items()},
        classes=setup.outputs,
        group=setup.group,
    )
