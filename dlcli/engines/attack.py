"""How easily a network is fooled, and whether an ensemble helps: the engine of `dlcli attack`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dlcli.core import rng
from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack
from dlcli.core.combine import RULES
from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData, check_trainable, choose
from dlcli.core.device import choose_device, describe_device, threads
from dlcli.core.feed import floats
from dlcli.core.loop import predict_logits, resolve_threads
from dlcli.core.members import Member, fit_member
from dlcli.core.models import open_model
from dlcli.core.models.base import Architecture
from dlcli.core.recipe import Recipe
from dlcli.core.stats import paired_difference, wilson
from dlcli.engines._attack_notes import BASELINE, notes, rule_name
from dlcli.specs.attack import AttackConfig, AttackResult, AttackRow
from dlcli.support.errors import UsageError
from dlcli.support.paths import cache_dir
from dlcli.support.report import SILENT, Report
from dlcli.support.words import count

FILES = ("adversarial.npz", "examples.png", "report.html")
"""What is left in the output folder; the command line adds run.json."""


def run(config: AttackConfig, *, report: Report = SILENT) -> AttackResult:
    """Train or reuse the networks, attack the baseline's test images, and judge every network and rule on them.

    The images are made on the baseline, a network of its own that is in no ensemble. Raises the kinds of
    `dlcli.support.errors`; with `config.output`, leaves the files of `FILES` in that folder.
    """
    bench = _open(config, report)
    # Judging a small network loses time with more threads just as training it does.
    with threads(resolve_threads(bench.recipe)):
        return _run(bench)


def plan(config: AttackConfig) -> list[str]:
    """What `run` would do, a line each; opens the data and builds the network once, but trains and writes nothing."""
    bench = _open(config, SILENT)
    data, recipe = bench.data, bench.recipe
    shape = "x".join(map(str, data.x_train.shape[1:]))
    read = f"{data.name}: {len(data.x_train)} training and {len(data.x_test)} test images of {shape}"
    team = f" and {bench.members} bootstrapped members" if bench.members else ""
    values = ", ".join(f"{eps:g}" for eps in bench.eps)
    lines = [
        f"read {read}, {len(data.classes)} classes",
        f"train {bench.arch.name} for {count(recipe.epochs, 'epoch')} on {bench.device}: {BASELINE}{team}; "
        f"any of them found in {cache_dir() / 'models'} is reused",
        f"attack {len(bench.x)} test images of the {BASELINE} by {config.method} ({bench.attack.norm}) at eps {values}",
    ]
    if config.output is not None:
        lines.append(f"write {', '.join(FILES)} in {config.output}")
    return lines


@dataclass(frozen=True)
class _Bench:
    """What all steps share: the opened data, network and attack, and the images (n, c, h, w) and labels (n,) attacked."""

    config: AttackConfig
    data: ImageData
    arch: Architecture
    recipe: Recipe
    attack: Attack
    device: torch.device
    report: Report
    x: Tensor
    y: Tensor

    @property
    def eps(self) -> tuple[float, ...]:
        return tuple(dict.fromkeys(self.config.eps))

    @property
    def members(self) -> int:
        return self.config.members if self.config.ensemble else 0

    def fit(self, name: str, *, bootstrap: bool) -> tuple[Member, float]:
        """The network called `name`, and the seconds it took to train or load."""
        started = time.perf_counter()
        member = fit_member(
            self.arch,
            self.data,
            recipe=self.recipe,
            seed=self.config.seed,
            name=name,
            bootstrap=bootstrap,
            device=self.device,
            report=self.report,
            cache=cache_dir() / "models",
        )
        return member, time.perf_counter() - started

    def craft(self, model: nn.Module, eps: float) -> Tensor:
        """The attacked images, (n, c, h, w)."""
        seed = rng.derive(self.config.seed, "attack", self.config.method)
        with self.report.task(f"{self.config.method} at eps {eps:g}", len(self.x)) as task:
            return self.attack(model, self.x, self.y, eps=eps, seed=seed, task=task)

    def judge(self, model: nn.Module, images: Tensor) -> Tensor:
        """The logits (n, classes) of `images`, in float32 whatever the training used."""
        return predict_logits(model, images, device=self.device)


@dataclass(frozen=True)
class _Team:
    """The members' logits (members, n, classes) for each set of images; none without an ensemble."""

    logits: list[Tensor]
    reused: int
    seconds_training: float
    seconds_judging: float


@dataclass(frozen=True)
class _Judged:
    """Logits on one set of images: the baseline's (n, classes) and the members' (members, n, classes)."""

    baseline: Tensor
    members: Tensor | None

    def correct(self, y: Tensor, best: int) -> dict[str, np.ndarray]:
        """For each classifier, how right it is on each image: 0 or 1, or for a mean over members between."""
        right = {BASELINE: self.baseline.argmax(-1) == y}
        if self.members is not None:
            each = self.members.argmax(-1) == y
            right |= {"best member": each[best], "mean of members": each.double().mean(0)}
            right |= {rule_name(name): decide(self.members) == y for name, decide in RULES.items()}
        return {name: values.double().numpy() for name, values in right.items()}

    def best(self, y: Tensor) -> int:
        """The number of the member with the most correct answers, the first of them if there are several."""
        return 0 if self.members is None else int((self.members.argmax(-1) == y).sum(-1).argmax())


def _open(config: AttackConfig, report: Report) -> _Bench:
    """Open everything and refuse what cannot work, before the first network is trained."""
    if config.output is not None and config.output.exists() and not config.output.is_dir():
        raise UsageError(f"--output: {config.output} is not a folder", hint="name a folder, new or old")
    device = choose_device(config.device)
    attack = load_attack(config.method)
    data = open_data(config.data, strict=config.strict, report=report, size=config.size)
    check_trainable(data)
    arch = open_model(config.model, data)
    recipe = arch.recipe if config.epochs is None else replace(arch.recipe, epochs=config.epochs)
    picked = choose(data.y_test.numpy(), config.limit)
    x, y = floats(data.x_test[picked]), data.y_test[picked]
    return _Bench(config, data, arch, recipe, attack, device, report, x, y)


def _run(bench: _Bench) -> AttackResult:
    config = bench.config
    baseline, own = bench.fit(BASELINE, bootstrap=False)
    started = time.perf_counter()
    sets = [bench.x, *(bench.craft(baseline.model, eps) for eps in bench.eps)]
    base_logits = [bench.judge(baseline.model, images) for images in sets]
    attacking = time.perf_counter() - started
    team = _fit_and_judge_members(bench, sets)
    members: list[Tensor | None] = [*team.logits] or [None] * len(sets)
    judged = [_Judged(one, several) for one, several in zip(base_logits, members, strict=True)]
    rows = [row for k, eps in enumerate(bench.eps, 1) for row in _rows(bench, eps, judged[0], judged[k])]
    reused = baseline.reused + team.reused
    if reused:
        bench.report.note(f"reused {count(reused, 'network')} from the cache")
    headline = _headline(config, rows)
    result = AttackResult(
        method=config.method,
        norm=bench.attack.norm,
        eps=bench.eps,
        data=bench.data.name,
        model=bench.arch.name,
        model_sha256=baseline.sha256,
        n_images=len(bench.x),
        members=bench.members,
        rule=config.ensemble or "",
        headline=headline,
        rows=tuple(rows),
        trained=1 + bench.members - reused,
        reused=reused,
        seed=config.seed,
        device=describe_device(bench.device),
        seconds_training=own + team.seconds_training,
        seconds_attack=attacking + team.seconds_judging,
        notes=notes(rows, method=config.method, knows_model=bench.attack.knows_model, unmoved=_unmoved(bench, sets)),
        failed=_failed(config, headline),
    )
    if config.output is not None:
        _write(config.output, bench, result, sets, base_logits)
    return result


def _fit_and_judge_members(bench: _Bench, sets: Sequence[Tensor]) -> _Team:
    """One member at a time, so that only logits pile up and never networks."""
    logits: list[list[Tensor]] = [[] for _ in sets]
    reused, training, started = 0, 0.0, time.perf_counter()
    for k in range(bench.members):
        member, seconds = bench.fit(f"member-{k}", bootstrap=True)
        reused, training = reused + member.reused, training + seconds
        for found, images in zip(logits, sets, strict=True):
            found.append(bench.judge(member.model, images))
    judging = time.perf_counter() - started - training
    return _Team([torch.stack(found) for found in logits if found], reused, training, judging)


def _rows(bench: _Bench, eps: float, clean: _Judged, adversarial: _Judged) -> list[AttackRow]:
    best = adversarial.best(bench.y)
    before, after = clean.correct(bench.y, best), adversarial.correct(bench.y, best)
    n, mean = len(bench.y), rule_name("mean")
    return [
        AttackRow(
            eps=eps,
            classifier=name,
            threat=_threat(bench.attack, name),
            clean=wilson(float(before[name].sum()), n),
            adversarial=wilson(float(right.sum()), n),
            minus_mean=paired_difference(right, after[mean]) if mean in after and name != mean else None,
        )
        for name, right in after.items()
    ]


def _threat(attack: Attack, classifier: str) -> str:
    if not attack.knows_model:
        return "control"
    return "white-box" if classifier == BASELINE else "transfer"


def _headline(config: AttackConfig, rows: Sequence[AttackRow]) -> AttackRow:
    """The row of the rule asked for, or of the baseline, at the largest eps."""
    wanted = rule_name(config.ensemble) if config.ensemble else BASELINE
    return max((row for row in rows if row.classifier == wanted), key=lambda row: row.eps)


def _unmoved(bench: _Bench, sets: Sequence[Tensor]) -> int:
    """How many images the attack left as they were at the largest eps."""
    eps = max(bench.eps)
    moved = (sets[1 + bench.eps.index(eps)] != bench.x).flatten(1).any(1)
    return int((~moved).sum()) if eps > 0 else 0


def _failed(config: AttackConfig, headline: AttackRow) -> str:
    if config.fail_under is None:
        return ""
    metric, bound = config.fail_under
    found = headline.clean if metric == "clean" else headline.adversarial
    if found.value >= bound:
        return ""
    return f"{metric} accuracy of the {headline.classifier} at eps {headline.eps:g} is {found}, below {bound:g}"


def _write(folder: Path, bench: _Bench, result: AttackResult, sets: Sequence[Tensor], logits: Sequence[Tensor]) -> None:
    from dlcli.engines._attack_files import Images, write  # here, since it brings matplotlib

    predicted = [found.argmax(-1).numpy() for found in logits]
    shown = Images(
        clean=sets[0].numpy(),
        labels=bench.y.numpy(),
        predicted_clean=predicted[0],
        adversarial={eps: images.numpy() for eps, images in zip(bench.eps, sets[1:], strict=True)},
        predicted=dict(zip(bench.eps, predicted[1:], strict=True)),
        classes=bench.data.classes,
    )
    write(folder, result, shown)
