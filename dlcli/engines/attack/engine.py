"""How easily a network is fooled, and whether an ensemble helps: the engine of `dlcli attack`."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dlcli.core.attacks.base import Attack
from dlcli.core.attacks.methods.transfer import Transfer
from dlcli.core.attacks.minimum_norm import MinimumNorm
from dlcli.core.compute.device import describe_device, fast_dtype, threads
from dlcli.core.compute.forward import predict_logits
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.model_io.ensemble_dir import combined_sha256
from dlcli.core.stats import wilson
from dlcli.core.training.loop import resolve_threads
from dlcli.engines.attack.check_runs import seen
from dlcli.engines.attack.checks import findings
from dlcli.engines.attack.crafting import Court, Made, Verdict, laid_out
from dlcli.engines.attack.images import Images, chosen, save
from dlcli.engines.attack.networks import BASELINE, Source, Team
from dlcli.engines.attack.notes import NORM_NAMES, knowledge, norm_notes, notes
from dlcli.engines.attack.resume import Parts
from dlcli.engines.attack.rows import by_method, right_under, rows, rule_name
from dlcli.engines.attack.setup import Bench, has, maker, open_bench
from dlcli.engines.attack.targets import MODES, targets
from dlcli.specs.attack import AttackConfig, AttackResult, AttackRow, ClassRow, Finding, MethodRow
from dlcli.support.paths import cache_dir
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter

FILES = ("adversarial.npz", "examples.png", "tsne.png", "report.html")
"""What is left in the output folder, tsne.png where the network has a last hidden layer; the command line adds run.json."""


def run(config: AttackConfig, *, report: Reporter = SILENT) -> AttackResult:
    """Train or open the networks, attack the test images, judge every network and rule on them, and doubt the result.

    Images are made on the baseline, a network of its own that is in no ensemble, and through the ensemble if there is one.
    Raises the kinds of `dlcli.support.errors`; with `config.output`, leaves the files of `FILES` in that folder. What was
    made is kept beside the output or `config.save` until the end, and an interrupted run goes on from there with `resume`.
    """
    bench = open_bench(config, report)
    recipe = bench.networks.recipe
    # Judging a small network loses time with more threads just as training it does.
    with nullcontext() if recipe is None else threads(resolve_threads(recipe)):
        return _run(bench)


def plan(config: AttackConfig) -> list[str]:
    """What `run` would do, a line each; opens the data and builds the network once, but trains and writes nothing."""
    bench = open_bench(config, SILENT)
    data, names = bench.data, ",".join(config.methods)
    shape = "x".join(map(str, data.x_test.shape[1:]))
    read = f"{data.name}: {len(data.x_train)} training and {len(data.x_test)} test images of {shape}"
    values = ", ".join(f"{eps:g}" for eps in bench.eps)
    lines = [
        f"read {read}, {len(data.classes)} classes",
        *_plan_networks(bench),
        f"attack {len(bench.x)} test images of {_whom(bench)} by {names} ({bench.norm}) at eps {values}",
    ]
    if config.save is not None:
        lines.append(f"write {config.save}")
    if config.output is not None:
        lines.append(f"write {', '.join(FILES)} in {config.output}")
    return lines


def _whom(bench: Bench) -> str:
    if not bench.members:
        return f"the {BASELINE}"
    team = f"{bench.members} members through every rule"
    return team if bench.networks.baseline is None else f"the {BASELINE}, and {team}"


def _plan_networks(bench: Bench) -> list[str]:
    """What is opened and what is trained, a line each."""
    networks = bench.networks
    both = [one for one in (networks.team, networks.baseline) if one is not None]
    opened = [
        f"open {one.name} as trained (SHA-256 {one.sha256}) on {bench.device}" for one in both if not isinstance(one, Source)
    ]
    return [*opened, *_plan_training(bench)]


def _plan_training(bench: Bench) -> list[str]:
    networks = bench.networks
    team = [f"{bench.members} bootstrapped members"] if isinstance(networks.team, Source) else []
    both = [(networks.baseline, BASELINE)] if isinstance(networks.baseline, Source) else []
    found = [one for one in (networks.baseline, networks.team) if isinstance(one, Source)]
    if not found:
        return []
    what = " and ".join([name for _, name in both] + team)
    return [
        f"train {found[0].name} for {count(found[0].recipe.epochs, 'epoch')} on {bench.device}: {what}; "
        f"any of them found in {cache_dir() / 'models'} is reused"
    ]


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
    opened = time.perf_counter()
    team = bench.team()
    started = time.perf_counter()
    court = _court(bench, team)
    judged = _judged(bench, court, knows)
    found = findings(seen(court, judged.clean, judged.predicted, judged.made))
    methods = _methods(bench, court, judged)
    if team.reused:
        bench.report.note(f"reused {count(team.reused, 'network')} from the cache")
    result = AttackResult(
        method=",".join(config.methods),
        norm=bench.norm,
        eps=bench.eps,
        data=bench.data.name,
        model=bench.networks.attacked.name,
        model_sha256=team.sha256,
        n_images=len(bench.x),
        members=bench.members,
        rule=bench.networks.rule,
        lead=court.lead if court.lead == BASELINE else rule_name(court.lead),
        threat_model=_threat_model(bench, knows, team.sha256),
        headline=judged.headline,
        rows=judged.rows,
        by_method=methods,
        per_class=_per_class(bench, judged),
        findings=found,
        trained=team.trained,
        reused=team.reused,
        seed=config.seed,
        device=describe_device(bench.device),
        seconds_training=started - opened if team.trained + team.reused else 0.0,
        seconds_attack=time.perf_counter() - started,
        notes=(*_opening_notes(bench), *notes(judged.rows, method=_spoken(config), knows=knows), *norm_notes(methods)),
        failed=_failed(config, judged.headline, found),
    )
    _leave(court, result, judged)
    if court.parts is not None:
        court.parts.remove()
    return result


def _court(bench: Bench, team: Team) -> Court:
    """The networks on the bench, what they are to be fooled into, and what an earlier run has made."""
    baseline = None if team.baseline is None else laid_out(team.baseline, bench.x, bench.device)
    members = [laid_out(one, bench.x, bench.device) for one in team.members]
    wanted = None if bench.config.target is None or baseline is None else _targets(bench, baseline)
    return Court(bench, baseline, members, wanted, _parts(bench, [*([baseline] if baseline else []), *members]))


def _targets(bench: Bench, model: nn.Module) -> Tensor:
    logits = predict_logits(model, bench.x, device=bench.device)
    return targets(bench.config.target or "", bench.data, bench.y, bench.output_of, logits, seed=bench.config.seed)


def _parts(bench: Bench, networks: Sequence[nn.Module]) -> Parts | None:
    """Where what is made is kept until the end, if anything is left at all."""
    config = bench.config
    if config.output is None and config.save is None:
        return None
    folder = config.output / "parts" if config.output is not None else Path(f"{config.save}.parts")
    parts = Parts(folder, _determined_by(bench, networks))
    if not config.resume:
        parts.remove()
    return parts


def _determined_by(bench: Bench, networks: Sequence[nn.Module]) -> dict[str, object]:
    """All that attacked images depend on besides the attack itself, in the terms of JSON."""
    config = bench.config
    return {
        "data": bench.data.fingerprint,
        "images": [config.limit, len(bench.x)],
        "target": config.target,
        "networks": combined_sha256([weights_sha256(one) for one in networks]),
        "surrogate": bench.origin,
        "norm": bench.norm,
        "seed": config.seed,
        "device": [bench.device.type, str(fast_dtype(bench.device)), torch.get_num_threads()],
        "torch": torch.__version__,
    }


def _judged(bench: Bench, court: Court, knows: str) -> _Judged:
    clean, predicted = court.judge(bench.x)
    made = {eps: court.all_of(eps) for eps in bench.eps}
    found = [row for sets in made.values() for row in rows(clean, sets, knows)]
    return _Judged(
        clean, predicted, tuple(one for sets in made.values() for one in sets), tuple(found), _headline(bench, found)
    )


def _methods(bench: Bench, court: Court, judged: _Judged) -> tuple[MethodRow, ...]:
    """Each method alone; a minimum-norm method also looks for the nearest images, whatever eps is."""
    norms = {one.name: court.norms(one) for one in bench.attacks if isinstance(one, MinimumNorm)}
    return tuple(row for eps in bench.eps for row in by_method(judged.at(eps), norms))


def _knows(bench: Bench) -> str:
    """What the best informed of the attacks knows, as rows call it."""
    asked = {one.knowledge for one in bench.attacks}
    if "gradients" in asked:
        return "white-box"
    if asked - {"nothing"}:
        return "black-box"
    return "transfer" if any(isinstance(one, Transfer) for one in bench.attacks) else "control"


def _headline(bench: Bench, found: Sequence[AttackRow]) -> AttackRow:
    """The row of the rule asked for against the strongest attacker, or of the baseline, at the largest eps."""
    wanted = rule_name(bench.networks.rule) if bench.members else BASELINE
    own = [row for row in found if row.classifier == wanted]
    return max(own, key=lambda row: (row.eps, row.threat == "worst-case"))


def _threat_model(bench: Bench, knows: str, sha256: str) -> str:
    values = ", ".join(f"{eps:g}" for eps in bench.eps)
    by = ", ".join(_settings(one, bench.origin) for one in bench.attacks)
    known = knowledge(knows, ensemble=bool(bench.members), transfer=bench.networks.baseline is not None)
    aim = "" if bench.config.target is None else f"; target: {_aim(bench.config.target)}"
    images = f"n {len(bench.x)}, seed {bench.config.seed}, model {sha256[:12]}"
    return f"{NORM_NAMES[bench.norm]}, eps {values}, bounds 0 to 1; attacker knows {known}; by {by}{aim}; {images}"


def _aim(target: str) -> str:
    return f"{target} class" if target in MODES else f"class {target}"


def _settings(attack: Attack, origin: str) -> str:
    """`pgd (steps 40, restarts 1)`; of `transfer`, by which attack and on which network too."""
    made = maker(attack)
    shown = [f"{name} {getattr(made, name)}" for name in ("steps", "restarts", "queries") if has(made, name)]
    if isinstance(attack, Transfer):
        shown = [origin] if attack.saved is not None else [origin, made.name, *shown]
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


def _opening_notes(bench: Bench) -> tuple[str, ...]:
    """What was done to make trained networks and the images fit."""
    return tuple(note if note.endswith(".") else f"{note}." for note in bench.notes)


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


def _leave(court: Court, result: AttackResult, judged: _Judged) -> None:
    """The files that were asked for."""
    config = court.bench.config
    if config.save is None and config.output is None:
        return
    shown = _images(court.bench, judged)
    if config.save is not None:
        save(config.save, shown)
    if config.output is not None:
        # Here, since they bring matplotlib.
        from dlcli.engines.attack.hidden_layer import with_hidden
        from dlcli.engines.attack.report import write

        lead = court.network(court.lead)
        write(config.output, result, with_hidden(shown, judged.headline.eps, lead, court.bench.device))


def _images(bench: Bench, judged: _Judged) -> Images:
    """The images made through the lead; of several methods, for each image one that fools it, if any does."""
    picked = {eps: chosen(judged.at(eps)) for eps in bench.eps}
    return Images(
        clean=bench.x.numpy(),
        labels=bench.y.numpy(),
        predicted_clean=judged.predicted,
        adversarial={eps: images for eps, (images, _) in picked.items()},
        predicted={eps: predicted for eps, (_, predicted) in picked.items()},
        classes=bench.outputs,
    )
