"""The engine of `dlcli attack` for a network that predicts scores: how far scores can be moved."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.core.attacks.base import Attack
from dlcli.core.attacks.score_change import DIRECTIONS, DOWN, UP, ScoredNetwork
from dlcli.core.bootstrap import bootstrap_t
from dlcli.core.compute.device import describe_device
from dlcli.core.compute.loader import to_float
from dlcli.core.correlation import score_figures
from dlcli.core.data.base import Split, choose
from dlcli.core.data.groups import group_numbers
from dlcli.core.data.scores import score_levels
from dlcli.core.grouped import share_of
from dlcli.core.jackknife import too_few
from dlcli.core.model_io.score_metadata import RunTask
from dlcli.core.objectives.base import ScoreObjective
from dlcli.engines.attack.notes import NORM_NAMES
from dlcli.engines.attack.setup import check_places, configured_attacks, largest_eps
from dlcli.engines.model_and_data import LoadedModel, describe, open_model_and_data
from dlcli.specs.attack import AttackConfig, Finding
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.specs.eval import EvalConfig
from dlcli.specs.figures import in_units, number_in_units, percent
from dlcli.specs.gate import gate
from dlcli.specs.score_attack import EITHER, ScoreAttackResult, ScoreAttackRow, check_score_attack
from dlcli.support.errors import UsageError
from dlcli.support.reporter import Reporter
from dlcli.support.seeds import derive

Floats = NDArray[np.float64]

FILES = ("adversarial.npz", "changes.png", "report.html")
"""The files of the output directory; the command line adds run.json."""

_CONTROL = "noise"


@dataclass(frozen=True)
class MovedScores:
    """Scores of n images at one eps.

    Attributes:
        eps: The largest change of an image.
        by: The changed images (n, ...) and their scores (n,) by direction, the furthest of all methods.
        random: The changes of scores by random perturbations, (draws, n).
    """

    eps: float
    by: Mapping[str, tuple[Tensor, Floats]]
    random: Floats


@dataclass(frozen=True)
class AttackedScores:
    """What is attacked: the network, the images (n, ...), their places in the set, true scores, groups and clean scores."""

    network: ScoredNetwork
    x: Tensor
    places: Tensor
    truth: Floats
    group: NDArray[np.int64] | None
    clean: Floats
    threshold: float


def attack_scores(config: AttackConfig, task: RunTask, report: Reporter) -> ScoreAttackResult:
    """Move the scores of the test images up and down as far as the attacks can, beside random perturbations.

    With `config.output` writes `FILES` there, with `config.save` the images. Raises the kinds of `dlcli.support.errors`.
    """
    attacks, norm = _checked(config)
    loaded = open_model_and_data(_as_eval(config), report)
    attacked = _attacked(config, task, loaded)
    _check_eps(config, norm, attacked.x)
    started = time.perf_counter()
    sets = [_moved(config, attacked, attacks, norm, eps, report) for eps in dict.fromkeys(config.eps)]
    seconds = time.perf_counter() - started
    rows = tuple(row for one in sets for row in _rows(config, attacked, one))
    headline = max((row for row in rows if row.direction == EITHER), key=lambda row: row.eps)
    findings = tuple(_findings(rows))
    group = attacked.group
    result = ScoreAttackResult(
        method=",".join(config.methods),
        norm=norm,
        eps=tuple(one.eps for one in sets),
        data=loaded.data.name,
        unit=loaded.data.unit,
        model=loaded.trained.name,
        model_sha256=loaded.trained.sha256,
        loss=_objective(task).name,
        n_images=len(attacked.x),
        n_groups=None if group is None else int(group.max()) + 1,
        threshold=attacked.threshold,
        clean_mae=_mae(attacked.clean, attacked),
        threat_model=_threat_model(config, attacks, norm, loaded, len(attacked.x)),
        headline=headline,
        rows=rows,
        findings=findings,
        seed=config.seed,
        device=describe_device(loaded.device),
        seconds_attack=seconds,
        notes=(*loaded.trained.notes, *_notes(attacked, headline)),
        failed=_failed(config, headline, findings, attacked.threshold),
    )
    _write(config, result, attacked, sets)
    return result


def plan_scores(config: AttackConfig, task: RunTask) -> list[str]:
    """What `attack_scores` would do, one line per step; opens data and network, but attacks and writes nothing."""
    attacks, norm = _checked(config)
    values = ", ".join(f"{eps:g}" for eps in dict.fromkeys(config.eps))
    names = ",".join(one.name for one in attacks)
    lines = [*describe(_as_eval(config)), f"move the scores of test images up and down by {names} ({norm}) at eps {values}"]
    lines += [f"write {config.save}"] if config.save is not None else []
    return [*lines, f"write {', '.join(FILES)} in {config.output}"] if config.output is not None else lines


def _checked(config: AttackConfig) -> tuple[tuple[Attack, ...], str]:
    """The attacks with their settings and the norm.

    Raises UsageError for methods and options that scores do not have.
    """
    check_places(config)
    check_score_attack(config)
    able = [name for name in REGISTRY.names() if load_attack(name).raises_cross_entropy]
    for name in config.methods:
        if name == _CONTROL:
            raise UsageError("`method`: noise is measured beside every attack on scores", hint=f"choose {', '.join(able)}")
        if name not in able:
            message = f"`method`: {name} looks for another class, which a score does not have"
            raise UsageError(message, hint=f"choose {', '.join(able)}")
    return configured_attacks(config)


def _check_eps(config: AttackConfig, norm: str, x: Tensor) -> None:
    if max(config.eps) > (most := largest_eps(norm, x)):
        raise UsageError(f"`eps`: {max(config.eps):g} is above {most:g}, the largest perturbation of such images")


def _as_eval(config: AttackConfig) -> EvalConfig:
    """The same network and data as options of `dlcli eval`, which opens them for scores."""
    shared = ("model", "data", "weights_key", "normalise", "size", "label_column", "strict", "trust_code", "seed", "device")
    return EvalConfig(**{name: getattr(config, name) for name in shared})


def _attacked(config: AttackConfig, task: RunTask, loaded: LoadedModel) -> AttackedScores:
    split = loaded.split("test")
    picked = choose(score_levels(split.y.numpy()), config.limit)
    network = ScoredNetwork(loaded.trained.model, _objective(task).value, loaded.device)
    x, truth = to_float(split.x[picked]), split.y.numpy().astype(np.float64)[picked]
    clean = network.scores(x).numpy()
    places = torch.from_numpy(picked)
    return AttackedScores(network, x, places, truth, _group(task, split, picked), clean, float(np.abs(clean - truth).mean()))


def _group(task: RunTask, split: Split, picked: NDArray[np.intp]) -> NDArray[np.int64] | None:
    column = split.metadata.get(task.group) if task.group is not None else None
    return None if column is None else np.unique(group_numbers(column)[picked], return_inverse=True)[1]


def _objective(task: RunTask) -> ScoreObjective:
    if task.scores is None:
        raise ValueError("no scores are recorded")
    return task.scores.objective


def _moved(
    config: AttackConfig, attacked: AttackedScores, attacks: Sequence[Attack], norm: str, eps: float, report: Reporter
) -> MovedScores:
    by = {
        direction: _furthest(_moved_by_each(config, attacked, attacks, norm, eps, direction, report), direction)
        for direction in DIRECTIONS
    }
    return MovedScores(eps, by, _random(config, attacked, norm, eps, draws=len(attacks) * len(DIRECTIONS)))


def _moved_by_each(
    config: AttackConfig,
    attacked: AttackedScores,
    attacks: Sequence[Attack],
    norm: str,
    eps: float,
    direction: str,
    report: Reporter,
) -> Iterator[tuple[Tensor, Floats]]:
    """The images of each attack, and their scores; at an eps of 0 the clean ones."""
    if eps == 0:
        yield attacked.x, attacked.clean
        return
    for attack in attacks:
        with report.task(f"{attack.name} {direction} at eps {eps:g}, images", len(attacked.x)) as task:
            seed = derive(config.seed, "attack", attack.name)
            images = attacked.network.moved(
                attack, attacked.x, direction, eps=eps, norm=norm, seed=seed, first=attacked.places, task=task
            )
        yield images, attacked.network.scores(images).numpy()


def _furthest(made: Iterator[tuple[Tensor, Floats]], direction: str) -> tuple[Tensor, Floats]:
    """For each image the one of several whose score is the highest, or the lowest."""
    images, scores = next(made)
    for more, found in made:
        further = found > scores if direction == UP else found < scores
        scores = np.where(further, found, scores)
        images = torch.where(torch.from_numpy(further).reshape(-1, *[1] * (images.dim() - 1)), more, images)
    return images, scores


def _random(config: AttackConfig, attacked: AttackedScores, norm: str, eps: float, *, draws: int) -> Floats:
    noise, labels = load_attack(_CONTROL), torch.zeros(len(attacked.x), dtype=torch.int64)
    found = np.zeros((draws, len(attacked.x)))
    for k in range(draws if eps > 0 else 0):
        seed = derive(config.seed, "attack", _CONTROL, k)
        images = noise(attacked.network.model, attacked.x, labels, eps=eps, norm=norm, seed=seed, first=attacked.places)
        found[k] = attacked.network.scores(images).numpy() - attacked.clean
    return found


def _rows(config: AttackConfig, attacked: AttackedScores, found: MovedScores) -> Iterator[ScoreAttackRow]:
    seed = derive(config.seed, "changes")
    scores = {direction: moved for direction, (_, moved) in found.by.items()}
    for direction in DIRECTIONS:
        change = scores[direction] - attacked.clean
        yield ScoreAttackRow(
            eps=found.eps,
            direction=direction,
            change=_mean(change, attacked, seed),
            moved=_share(change, attacked),
            mae=_mae(scores[direction], attacked),
        )
    furthest, random = _either(scores, attacked.clean), np.abs(found.random).max(0)
    worse = _either(scores, attacked.truth)
    gap = _mean(furthest - random, attacked, seed)
    yield ScoreAttackRow(
        eps=found.eps,
        direction=EITHER,
        change=_mean(furthest, attacked, seed),
        moved=_share(furthest, attacked),
        mae=_mae(attacked.truth + worse, attacked),
        random=_mean(random, attacked, seed),
        random_moved=_share(random, attacked),
        minus_random=Difference(gap.value, gap.low, gap.high, gap.n) if isinstance(gap, Estimate) else None,
    )


def _either(scores: Mapping[str, Floats], origin: Floats) -> Floats:
    """How far the scores of either direction are from others at most, (n,)."""
    return np.maximum(np.abs(scores[UP] - origin), np.abs(scores[DOWN] - origin))


def _mean(values: Floats, attacked: AttackedScores, seed: int) -> Estimate | PointEstimate:
    why = too_few(len(values), attacked.group)
    if why:
        return PointEstimate(value=float(values.mean()), n=len(values), why=why)
    return bootstrap_t(values, attacked.group, seed=seed)


def _share(change: Floats, attacked: AttackedScores) -> Estimate:
    return share_of((np.abs(change) > attacked.threshold).astype(np.float64), attacked.group)


def _mae(scores: Floats, attacked: AttackedScores) -> Estimate | PointEstimate:
    return score_figures(scores, attacked.truth, attacked.group, seed=0)["mae"]


def _findings(rows: Sequence[ScoreAttackRow]) -> Iterator[Finding]:
    """Signs that the attack was weak."""
    either = [row for row in rows if row.direction == EITHER and row.eps > 0]
    for row in either:
        if row.random is not None and row.random.value >= row.change.value:
            how = f"{in_units(row.random)} against {in_units(row.change)} at eps {row.eps:g}"
            yield Finding(check="noise-is-stronger", detail=f"random perturbations move scores as far as the attack: {how}")
    ordered = sorted(either, key=lambda row: row.eps)
    for small, large in zip(ordered, ordered[1:], strict=False):
        if large.change.value < small.change.value:
            how = f"eps {large.eps:g} moves scores by {in_units(large.change)}, eps {small.eps:g} by {in_units(small.change)}"
            yield Finding(check="larger-eps-is-weaker", detail=how)


def _threat_model(config: AttackConfig, attacks: Sequence[Attack], norm: str, loaded: LoadedModel, n: int) -> str:
    values = ", ".join(f"{eps:g}" for eps in dict.fromkeys(config.eps))
    settings = {
        one.name: [f"{name} {getattr(one, name)}" for name in ("steps", "restarts") if hasattr(one, name)] for one in attacks
    }
    by = ", ".join(f"{name} ({', '.join(shown)})" if shown else name for name, shown in settings.items())
    sets = f"n {n}, seed {config.seed}, model {loaded.trained.sha256[:12]}"
    return f"{NORM_NAMES[norm]}, eps {values}, bounds 0 to 1; attacker knows the weights (white-box); by {by}; {sets}"


def _notes(attacked: AttackedScores, headline: ScoreAttackRow) -> Iterator[str]:
    yield (
        f"The threshold, {number_in_units(attacked.threshold, 3)}, is the mean absolute error on the clean images. "
        "Each mean change is a lower bound: a stronger attack can move scores further."
    )
    if headline.minus_random is not None:
        verdict = "established" if headline.minus_random.established else "not established"
        moved = (
            "" if headline.random_moved is None else f", and moves {percent(headline.random_moved, '%')} beyond the threshold"
        )
        yield (
            f"A random perturbation of the same size, the furthest of as many, changes scores by {in_units(headline.random)}"
            f"{moved}; the attack minus that: {in_units(headline.minus_random)}, {verdict}."
        )


def _failed(config: AttackConfig, headline: ScoreAttackRow, findings: Sequence[Finding], threshold: float) -> str:
    wanted = gate(config.fail_under)
    if wanted is None:
        return ""
    if findings:
        return f"a sanity check failed, so robustness is not established: {findings[0].check}"
    moved = headline.moved
    still = Estimate(1 - moved.value, 1 - moved.high, 1 - moved.low, moved.n)
    if not wanted.fails(still):
        return ""
    what = f"share of scores that stay within {number_in_units(threshold, 3)} at eps {headline.eps:g}"
    return f"{what} is {wanted.below(still)}"


def _write(config: AttackConfig, result: ScoreAttackResult, attacked: AttackedScores, sets: Sequence[MovedScores]) -> None:
    from dlcli.engines.attack.score_page import save_moved, write_score_report  # here, since it imports matplotlib

    if config.save is not None:
        save_moved(config.save, attacked, sets)
    if config.output is not None:
        write_score_report(config.output, result, attacked, sets)
