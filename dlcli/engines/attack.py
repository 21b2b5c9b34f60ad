"""How easily a network is fooled, and whether an ensemble helps: the engine of `dlcli attack`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlcli.core.attacks.base import Attack
from dlcli.core.device import describe_device, threads
from dlcli.core.loop import resolve_threads
from dlcli.core.members import Member
from dlcli.core.stats import wilson
from dlcli.core.trained import Trained
from dlcli.engines._attack_bench import BASELINE, Bench, has, open_bench
from dlcli.engines._attack_checks import findings
from dlcli.engines._attack_craft import Court, Made, Verdict, laid_out
from dlcli.engines._attack_notes import NORM_NAMES, knowledge, notes
from dlcli.engines._attack_probe import seen
from dlcli.engines._attack_rows import by_method, right_under, rows, rule_name
from dlcli.engines._attack_saved import Images, chosen, save
from dlcli.specs.attack import AttackConfig, AttackResult, AttackRow, ClassRow, Finding
from dlcli.support.paths import cache_dir
from dlcli.support.report import SILENT, Report
from dlcli.support.words import count

FILES = ("adversarial.npz", "examples.png", "report.html")
"""What is left in the output folder; the command line adds run.json."""


def run(config: AttackConfig, *, report: Report = SILENT) -> AttackResult:
    """Train or open the networks, attack the test images, judge every network and rule on them, and doubt the result.

    Images are made on the baseline, a network of its own that is in no ensemble, and through the ensemble if there is one.
    Raises the kinds of `dlcli.support.errors`; with `config.output`, leaves the files of `FILES` in that folder.
    """
    bench = open_bench(config, report)
    # Judging a small network loses time with more threads just as training it does.
    if isinstance(bench.network, Trained):
        return _run(bench)
    with threads(resolve_threads(bench.network.recipe)):
        return _run(bench)


def plan(config: AttackConfig) -> list[str]:
    """What `run` would do, a line each; opens the data and builds the network once, but trains and writes nothing."""
    bench = open_bench(config, SILENT)
    data, names = bench.data, ",".join(config.methods)
    shape = "x".join(map(str, data.x_test.shape[1:]))
    read = f"{data.name}: {len(data.x_train)} training and {len(data.x_test)} test images of {shape}"
    values = ", ".join(f"{eps:g}" for eps in bench.eps)
    whom = f"{BASELINE}, and {bench.members} members through every rule" if bench.members else BASELINE
    lines = [
        f"read {read}, {len(data.classes)} classes",
        _plan_network(bench),
        f"attack {len(bench.x)} test images of the {whom} by {names} ({bench.norm}) at eps {values}",
    ]
    if config.save is not None:
        lines.append(f"write {config.save}")
    if config.output is not None:
        lines.append(f"write {', '.join(FILES)} in {config.output}")
    return lines


def _plan_network(bench: Bench) -> str:
    network = bench.network
    if isinstance(network, Trained):
        return f"open {network.name} as trained (SHA-256 {network.sha256}) on {bench.device}"
    team = f" and {bench.members} bootstrapped members" if bench.members else ""
    return (
        f"train {network.name} for {count(network.recipe.epochs, 'epoch')} on {bench.device}: {BASELINE}{team}; "
        f"any of them found in {cache_dir() / 'models'} is reused"
    )


@dataclass(frozen=True)
class _Team:
    """The baseline and the members, how many were reused, and the seconds that training or loading took."""

    baseline: Member
    members: tuple[Member, ...]
    reused: int
    seconds: float


@dataclass(frozen=True)
class _Judged:
    """All images made, in the order of eps, the rows about them, and the one asked for."""

    clean: Verdict
    predicted: np.ndarray
    made: tuple[Made, ...]
    rows: tuple[AttackRow, ...]
    headline: AttackRow

    def at(self, eps: float) -> list[Made]:
        return [one for one in self.made if one.eps == eps]


def _run(bench: Bench) -> AttackResult:
    config, knows = bench.config, _knows(bench)
    team = _fit(bench)
    started = time.perf_counter()
    baseline, *members = (laid_out(one.model, bench.x, bench.device) for one in (team.baseline, *team.members))
    court = Court(bench, baseline, members)
    judged = _judged(bench, court, knows)
    found = findings(seen(bench, baseline, judged.clean, judged.made))
    reused = 0 if isinstance(bench.network, Trained) else team.reused
    if reused:
        bench.report.note(f"reused {count(reused, 'network')} from the cache")
    result = AttackResult(
        method=",".join(config.methods),
        norm=bench.norm,
        eps=bench.eps,
        data=bench.data.name,
        model=bench.network.name,
        model_sha256=team.baseline.sha256,
        n_images=len(bench.x),
        members=bench.members,
        rule=config.ensemble or "",
        threat_model=_threat_model(bench, knows, team.baseline.sha256),
        headline=judged.headline,
        rows=judged.rows,
        by_method=tuple(row for eps in bench.eps for row in by_method(judged.at(eps))),
        per_class=_per_class(bench, judged),
        findings=found,
        trained=1 + bench.members - team.reused,
        reused=reused,
        seed=config.seed,
        device=describe_device(bench.device),
        seconds_training=team.seconds,
        seconds_attack=time.perf_counter() - started,
        notes=(*_network_notes(bench), *notes(judged.rows, method=_spoken(config), knows=knows)),
        failed=_failed(config, judged.headline, found),
    )
    _leave(bench, result, judged)
    return result


def _fit(bench: Bench) -> _Team:
    baseline, seconds = bench.fit(BASELINE, bootstrap=False)
    members = []
    for k in range(bench.members):
        member, more = bench.fit(f"member-{k}", bootstrap=True)
        members.append(member)
        seconds += more
    return _Team(baseline, tuple(members), sum(one.reused for one in (baseline, *members)), seconds)


def _judged(bench: Bench, court: Court, knows: str) -> _Judged:
    clean, predicted = court.judge(bench.x)
    made = {eps: court.all_of(eps) for eps in bench.eps}
    found = [row for sets in made.values() for row in rows(clean, sets, knows)]
    return _Judged(
        clean, predicted, tuple(one for sets in made.values() for one in sets), tuple(found), _headline(bench.config, found)
    )


def _knows(bench: Bench) -> str:
    """What the best informed of the attacks knows, as rows call it."""
    asked = {one.knowledge for one in bench.attacks}
    if "gradients" in asked:
        return "white-box"
    return "black-box" if asked - {"nothing"} else "control"


def _headline(config: AttackConfig, found: Sequence[AttackRow]) -> AttackRow:
    """The row of the rule asked for against the strongest attacker, or of the baseline, at the largest eps."""
    wanted = rule_name(config.ensemble) if config.ensemble else BASELINE
    own = [row for row in found if row.classifier == wanted]
    return max(own, key=lambda row: (row.eps, row.threat == "worst-case"))


def _threat_model(bench: Bench, knows: str, sha256: str) -> str:
    values = ", ".join(f"{eps:g}" for eps in bench.eps)
    by = ", ".join(map(_settings, bench.attacks))
    known = knowledge(knows, ensemble=bool(bench.members))
    images = f"n {len(bench.x)}, seed {bench.config.seed}, model {sha256[:12]}"
    return f"{NORM_NAMES[bench.norm]}, eps {values}, bounds 0 to 1; attacker knows {known}; by {by}; {images}"


def _settings(attack: Attack) -> str:
    """`pgd (steps 40, restarts 1)`."""
    shown = [f"{name} {getattr(attack, name)}" for name in ("steps", "restarts", "queries") if has(attack, name)]
    return f"{attack.name} ({', '.join(shown)})" if shown else attack.name


def _per_class(bench: Bench, judged: _Judged) -> tuple[ClassRow, ...]:
    top, y = judged.headline, bench.y.numpy()
    clean, attacked, _ = right_under(judged.clean, judged.at(top.eps), top.classifier, top.threat)
    return tuple(
        ClassRow(
            name=bench.outputs[label],
            clean=wilson(float(clean[y == label].sum()), int((y == label).sum())),
            adversarial=wilson(float(attacked[y == label].sum()), int((y == label).sum())),
        )
        for label in np.unique(y).tolist()
    )


def _network_notes(bench: Bench) -> tuple[str, ...]:
    """What was done to make a trained network fit."""
    found = bench.network.notes if isinstance(bench.network, Trained) else ()
    return tuple(f"{note}." for note in found)


def _spoken(config: AttackConfig) -> str:
    return " and ".join(config.methods)


def _failed(config: AttackConfig, headline: AttackRow, found: Sequence[Finding]) -> str:
    if config.fail_under is None:
        return ""
    metric, bound = config.fail_under
    figure = headline.clean if metric == "clean" else headline.adversarial
    if figure.value < bound:
        return f"{metric} accuracy of the {headline.classifier} at eps {headline.eps:g} is {figure}, below {bound:g}"
    if metric == "robust" and found:
        return f"robust accuracy {figure} cannot be trusted: {found[0].check}: {found[0].seen}"
    return ""


def _leave(bench: Bench, result: AttackResult, judged: _Judged) -> None:
    """The files that were asked for."""
    config = bench.config
    if config.save is None and config.output is None:
        return
    shown = _images(bench, judged)
    if config.save is not None:
        save(config.save, shown)
    if config.output is not None:
        from dlcli.engines._attack_files import write  # here, since it brings matplotlib

        write(Path(config.output), result, shown)


def _images(bench: Bench, judged: _Judged) -> Images:
    """The images made on the baseline; of several methods, for each image one that fools it, if any does."""
    picked = {eps: chosen(judged.at(eps), bench.y.numpy()) for eps in bench.eps}
    return Images(
        clean=bench.x.numpy(),
        labels=bench.y.numpy(),
        predicted_clean=judged.predicted,
        adversarial={eps: images for eps, (images, _) in picked.items()},
        predicted={eps: predicted for eps, (_, predicted) in picked.items()},
        classes=bench.outputs,
    )
