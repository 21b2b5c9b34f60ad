"""The engine of `dlcli attack` for networks that predict masks or classify sequences."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.core.attacks.base import Attack
from dlcli.core.compute.device import describe_device
from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import choose, strata
from dlcli.core.data.groups import group_numbers
from dlcli.core.data.sequences_of_files import BLOCK
from dlcli.core.evaluation.slices import find_column
from dlcli.core.model_io.score_metadata import RunTask
from dlcli.core.tasks.segment import default_group
from dlcli.engines.attack.attacked_task import AttackedMasks, AttackedSequences, AttackedTask, Labels, worst_of
from dlcli.engines.attack.notes import NORM_NAMES, unchanged_note
from dlcli.engines.attack.setup import check_places, configured_attacks, largest_eps
from dlcli.engines.model_and_data import LoadedModel, describe, open_model_and_data
from dlcli.specs.attack import AttackConfig, Finding
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.specs.eval import EvalConfig
from dlcli.specs.figures import percent
from dlcli.specs.gate import gate
from dlcli.specs.task_attack import CLEAN, NOISE, WORST, TaskAttackResult, TaskAttackRow, check_task_attack
from dlcli.support.errors import UsageError
from dlcli.support.reporter import Reporter
from dlcli.support.seeds import derive

FILES = ("adversarial.npz", "report.html")
"""The files of the output directory; the command line adds run.json."""


@dataclass(frozen=True)
class ChangedExamples:
    """Examples at one eps, and what is predicted for them, by the names of the rows."""

    eps: float
    by: Mapping[str, tuple[Tensor, Labels]]

    @property
    def strongest(self) -> str:
        """The name of the row of all attacks together, or of the only one."""
        return WORST if WORST in self.by else next(iter(self.by))


def attack_task(config: AttackConfig, task: RunTask, report: Reporter) -> TaskAttackResult:
    """Attack the test examples of a network of masks or sequences, beside random perturbations.

    With `config.output` writes `FILES` there, with `config.save` the examples. Raises the kinds of `dlcli.support.errors`.
    """
    attacks, norm = _checked(config, task)
    loaded = open_model_and_data(_as_eval(config), report)
    attacked, column = _attacked(config, task, loaded)
    _check_eps(config, norm, attacked)
    started = time.perf_counter()
    clean = attacked.predicted(attacked.x)
    sets = [_changed(config, attacked, attacks, norm, eps, report) for eps in dict.fromkeys(config.eps)]
    seconds = time.perf_counter() - started
    first = TaskAttackRow(eps=0.0, method=CLEAN, metrics=attacked.metrics(clean, None), changed=0.0)
    rows = (first, *(row for one in sets for row in _rows(attacked, one, clean)))
    top = max(sets, key=lambda one: one.eps)
    headline = next(row for row in rows if (row.eps, row.method) == (top.eps, top.strongest))
    findings = tuple(_findings(rows, sets))
    result = TaskAttackResult(
        method=",".join(config.methods),
        norm=norm,
        eps=tuple(one.eps for one in sets),
        eps_unit=attacked.eps_unit,
        metric=attacked.metric,
        data=loaded.data.name,
        unit=loaded.data.unit,
        model=loaded.trained.name,
        model_sha256=loaded.trained.sha256,
        n_images=len(attacked.x),
        n_groups=None if attacked.group is None else int(attacked.group.max()) + 1,
        threat_model=_threat_model(config, attacks, norm, attacked, loaded),
        headline=headline,
        rows=rows,
        findings=findings,
        seed=config.seed,
        device=describe_device(loaded.device),
        seconds_attack=seconds,
        notes=(
            *loaded.trained.notes,
            *unchanged_note(norm, headline.eps, attacked.x[0].numel(), changed=headline.changed),
            *_notes(attacked, loaded, column),
        ),
        failed=_failed(config, first, headline, findings),
    )
    _write(config, result, attacked, clean, sets)
    return result


def plan_task(config: AttackConfig, task: RunTask) -> list[str]:
    """What `attack_task` would do, one line per step; opens data and network, but attacks and writes nothing."""
    attacks, norm = _checked(config, task)
    values = ", ".join(f"{eps:g}" for eps in dict.fromkeys(config.eps))
    names = ",".join(one.name for one in attacks)
    lines = [*describe(_as_eval(config)), f"attack its test examples by {names} ({norm}) at eps {values}"]
    lines += [f"write {config.save}"] if config.save is not None else []
    return [*lines, f"write {', '.join(FILES)} in {config.output}"] if config.output is not None else lines


def _checked(config: AttackConfig, task: RunTask) -> tuple[tuple[Attack, ...], str]:
    """The attacks with their settings and the norm.

    Raises UsageError for methods and options that do not apply, and for networks that predict the next step.
    """
    kind = AttackedMasks if task.masks is not None else AttackedSequences
    if task.predicts_next:
        raise UsageError("`model`: it predicts the next step, and an attack needs classes", hint="choose a classifier")
    if task.sequences is not None and task.sequences.symbols:
        message = "`model`: it takes characters, which cannot be changed by a little"
        raise UsageError(message, hint="choose a network of numbers, such as sounds")
    check_places(config)
    check_task_attack(config, kind.what)
    able = [name for name in REGISTRY.names() if load_attack(name).raises_cross_entropy]
    for name in config.methods:
        if name == NOISE:
            raise UsageError(f"`method`: noise is measured beside every attack on a network that {kind.what}")
        if name not in able:
            why = "needs one label per image" if task.masks is not None else "searches within the bounds of pixels"
            raise UsageError(f"`method`: {name} {why}", hint=f"choose {', '.join(able)}")
    return configured_attacks(config)


def _check_eps(config: AttackConfig, norm: str, attacked: AttackedTask) -> None:
    if isinstance(attacked, AttackedMasks) and max(config.eps) > (most := largest_eps(norm, attacked.x)):
        raise UsageError(f"`eps`: {max(config.eps):g} is above {most:g}, the largest perturbation of such images")


def _as_eval(config: AttackConfig) -> EvalConfig:
    """The same network and data as options of `dlcli eval`, which opens them for any task."""
    shared = (
        "model",
        "data",
        "ensemble",
        "weights_key",
        "normalise",
        "size",
        "label_column",
        "strict",
        "trust_code",
        "seed",
        "device",
    )
    return EvalConfig(**{name: getattr(config, name) for name in shared})


def _attacked(config: AttackConfig, task: RunTask, loaded: LoadedModel) -> tuple[AttackedTask, str | None]:
    split = loaded.split("test")
    picked = choose(strata(split.y.numpy()), config.limit)
    own = task.group if task.group in split.metadata else None
    column = own if task.masks is None else default_group(split, own)
    group = None
    if column is not None:
        numbers = group_numbers(find_column(column, split.metadata, data=loaded.data.name, option="group"))
        group = np.unique(numbers[picked], return_inverse=True)[1]
    kind = AttackedMasks if task.masks is not None else AttackedSequences
    where = torch.from_numpy(picked)
    x = split.x[picked] if loaded.data.is_sequences else to_float(split.x[picked])
    classes = loaded.outputs if task.masks is None else task.masks.classes
    return kind(loaded.trained.model, x, split.y[where], where, group, classes, loaded.device), column


def _changed(
    config: AttackConfig, attacked: AttackedTask, attacks: Sequence[Attack], norm: str, eps: float, report: Reporter
) -> ChangedExamples:
    found: dict[str, tuple[Tensor, Labels]] = {}
    for attack in (*attacks, load_attack(NOISE)):
        with report.task(f"{attack.name} at eps {eps:g}, examples", len(attacked.x)) as task:
            seed = derive(config.seed, "attack", attack.name)
            x = attacked.changed(attack, eps=eps, norm=norm, seed=seed, task=task)
        found[attack.name] = x, attacked.predicted(x)
    if len(attacks) > 1:
        found[WORST] = worst_of(attacked, [found[one.name] for one in attacks])
    return ChangedExamples(eps, found)


def _rows(attacked: AttackedTask, found: ChangedExamples, clean: Labels) -> Iterator[TaskAttackRow]:
    for name, (_, predicted) in found.by.items():
        metrics = attacked.metrics(predicted, clean)
        yield TaskAttackRow(eps=found.eps, method=name, metrics=metrics, changed=attacked.lost(predicted, clean))


def _findings(rows: Sequence[TaskAttackRow], sets: Sequence[ChangedExamples]) -> Iterator[Finding]:
    """Signs that the attack was weak."""
    left = {(row.eps, row.method): row.metrics[0].estimate for row in rows}
    tops = {one.eps: left[one.eps, one.strongest] for one in sets}
    for eps, top in tops.items():
        noise = left[eps, NOISE]
        if eps > 0 and noise.value < top.value:
            how = f"{percent(noise, '%')} against {percent(top, '%')} at eps {eps:g}"
            yield Finding(check="noise-is-stronger", detail=f"random perturbations leave less than the attack: {how}")
    ordered = sorted(tops)
    for small, large in zip(ordered, ordered[1:], strict=False):
        if tops[large].value > tops[small].value:
            how = f"eps {large:g} leaves {percent(tops[large], '%')}, eps {small:g} {percent(tops[small], '%')}"
            yield Finding(check="larger-eps-is-weaker", detail=how)


def _threat_model(
    config: AttackConfig, attacks: Sequence[Attack], norm: str, attacked: AttackedTask, loaded: LoadedModel
) -> str:
    values = ", ".join(f"{eps:g}" for eps in dict.fromkeys(config.eps))
    settings = {
        one.name: [f"{name} {getattr(one, name)}" for name in ("steps", "restarts") if hasattr(one, name)] for one in attacks
    }
    by = ", ".join(f"{name} ({', '.join(shown)})" if shown else name for name, shown in settings.items())
    bounds = "bounds 0 to 1" if isinstance(attacked, AttackedMasks) else "values without bounds"
    sets = f"n {len(attacked.x)}, seed {config.seed}, model {loaded.trained.sha256[:12]}"
    return (
        f"{NORM_NAMES[norm]}, eps {values} {attacked.eps_unit}, {bounds}; attacker knows the weights (white-box), untargeted; "
        f"by {by}; {sets}"
    )


def _notes(attacked: AttackedTask, loaded: LoadedModel, column: str | None) -> Iterator[str]:
    if isinstance(attacked, AttackedMasks):
        yield "The attack raises the sum of the cross-entropy over labelled pixels; a stronger one can leave less."
        if column is not None and attacked.group is not None:
            what = f"blocks of consecutive {loaded.data.unit}s" if column == BLOCK else f"groups by '{column}'"
            yield f"Intervals are over {int(attacked.group.max()) + 1} {what}."
    else:
        yield "The padding of shorter sequences is left as it is. A stronger attack can leave less accuracy."
        if column is not None:
            yield f"Intervals are by '{column}'."


def _failed(config: AttackConfig, clean: TaskAttackRow, headline: TaskAttackRow, findings: Sequence[Finding]) -> str:
    wanted = gate(config.fail_under)
    if wanted is None:
        return ""
    if wanted.metric == "robust" and findings:
        return f"a sanity check failed, so robustness is not established: {findings[0].check}"
    row = headline if wanted.metric == "robust" else clean
    found: Estimate | PointEstimate = row.metrics[0].estimate
    if not wanted.fails(found):
        return ""
    at = f" at eps {row.eps:g}" if wanted.metric == "robust" else ""
    return f"{wanted.metric} {row.metrics[0].name}{at} is {wanted.below(found)}"


def _write(
    config: AttackConfig, result: TaskAttackResult, attacked: AttackedTask, clean: Labels, sets: Sequence[ChangedExamples]
) -> None:
    from dlcli.engines.attack.task_page import save_changed, write_task_report  # here, since it imports matplotlib

    if config.save is not None:
        save_changed(config.save, attacked, clean, sets)
    if config.output is not None:
        write_task_report(config.output, result, attacked, clean, sets)
