"""The command `dlcli attack`: its table and its answer."""

from collections.abc import Sequence

from dlcli.cli.command import Command, TerminalTable
from dlcli.cli.commands.corruption_table import corruption_answer, corruption_table
from dlcli.cli.commands.score_attack_table import score_attack_answer, score_attack_table
from dlcli.cli.commands.task_attack_table import task_attack_answer, task_attack_table
from dlcli.cli.pictures import bar
from dlcli.specs.attack import AttackConfig, AttackResult, AttackRow, Classifier, MethodRow, ThreatKind
from dlcli.specs.corruption_attack import CorruptionResult
from dlcli.specs.estimates import Difference, Estimate
from dlcli.specs.figures import percent, points
from dlcli.specs.score_attack import ScoreAttackResult
from dlcli.specs.task_attack import TaskAttackResult
from dlcli.support.plural import count

_NORMS = {"linf": "L-inf", "l2": "L2", "l1": "L1"}
_BOUND = "transfer ≤"
_INSIDE = (ThreatKind.WHITE_BOX, ThreatKind.BLACK_BOX, ThreatKind.NAIVE, ThreatKind.ADAPTIVE)
_COLUMNS = {
    "worst case": (ThreatKind.WORST_CASE,),
    "white-box": _INSIDE,
    _BOUND: (ThreatKind.TRANSFER,),
    "control": (ThreatKind.CONTROL,),
}
"""Columns of an ensemble's table: under each the lowest accuracy under any of these threats, the one to quote first."""
_LABELS = {
    Classifier.BASELINE: "surrogate",
    Classifier.BEST_MEMBER: "best member",
    Classifier.MEAN_OF_MEMBERS: "mean of members",
}
"""What classifiers that are not a rule are called."""
_THREATS = {ThreatKind.WORST_CASE: "worst case", ThreatKind.TRANSFER: "transfer, an upper bound"}
_MOST_ROWS = 10
_ADVICE = "The attack may be too weak (masked gradients, too few steps): try more `steps`, or `method=auto`."


def _table(result: AttackResult | CorruptionResult | ScoreAttackResult | TaskAttackResult) -> TerminalTable:
    if isinstance(result, TaskAttackResult):
        return task_attack_table(result)
    if isinstance(result, CorruptionResult):
        return corruption_table(result)
    if isinstance(result, ScoreAttackResult):
        return score_attack_table(result)
    checks = [f"Sanity check failed: {one.check}: {one.detail}." for one in result.findings]
    checks[1:1] = [_ADVICE] if checks else []
    found = _ensemble(result) if result.members else _single(result)
    title, columns, rows, strong, details = found
    if (stopped := result.stopped) is not None and stopped.early:
        title = f"{title}; of all {count(stopped.total, 'image')}, by {stopped.seen:,} of them"
    notes = (*checks, *_explained(result), *result.notes, f"{result.threat_model}.", _networks(result))
    return TerminalTable(
        title, columns, rows, strong, notes, _answer(result), _MOST_ROWS, f"{len(rows) - _MOST_ROWS} more rows", tuple(details)
    )


def _explained(result: AttackResult) -> list[str]:
    if not result.members:
        return []
    return ["Worst case: an image counts only if no attack fools the classifier on it. Differences are to the mean rule."]


_Drawn = tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...], frozenset[int], list[TerminalTable]]


def _attack(result: AttackResult) -> str:
    """`fgsm, L-inf, eps 8/255`: the attack and how strong it is."""
    eps = f", eps {result.eps[0]:g}" if len(result.eps) == 1 else ""
    return f"{result.method}, {_NORMS[result.norm]}{eps}"


def _single(result: AttackResult) -> _Drawn:
    """One row per eps and, with several methods, one for each of them."""
    several = len(result.eps) > 1
    targeted = any(row.reached for row in result.rows)
    columns = (
        "eps" if several else "threat",
        "robust, %",
        "",
        "clean, %",
        "in 8 bits, %",
        *(["reached, %"] if targeted else []),
    )
    rows: list[tuple[str, ...]] = []
    strong = set()
    for row in result.rows:
        strong.add(len(rows))
        threat = _BOUND if row.upper_bound else row.threat
        rows.append(_cells(f"{row.eps:g}" if several else threat, [row.clean, row.eight_bit], row))
        alone = [one for one in result.by_method if one.eps == row.eps] if len(result.method.split(",")) > 1 else []
        rows += [_cells(f"by {one.method}", [None, None], one) for one in alone]
    threats = ", ".join(dict.fromkeys(_THREATS.get(row.threat, row.threat) for row in result.rows))
    title = f"{result.model} on {result.data}, {_attack(result)}{f', {threats}' if several else ''}"
    return title, columns, tuple(row[: len(columns)] for row in rows), frozenset(strong), []


def _cells(name: str, figures: list[Estimate | None], row: AttackRow | MethodRow) -> tuple[str, ...]:
    return name, percent(row.adversarial), bar(row.adversarial.value), *map(percent, [*figures, row.reached])


def _ensemble(result: AttackResult) -> _Drawn:
    """A row for each classifier at the eps of the headline, or of the asked rule for each eps; -v adds all intervals."""
    title = f"{result.model} on {result.data}, {_attack(result)}, robust accuracy in %"
    shown = {label: threats for label, threats in _COLUMNS.items() if {row.threat for row in result.rows} & set(threats)}
    if len(result.eps) > 1:
        name = result.headline.classifier
        rows = [(f"{eps:g}", *_by_threat(result, eps, name, shown)) for eps in result.eps]
        details = [_whole(result, eps, shown) for eps in result.eps]
        title = f"{title}: {_label(name)} by eps"
        return title, ("eps", *_heads(shown)), tuple(rows), frozenset(), details
    (eps,) = result.eps
    names = [name for name in _classifiers(result) if _by_threat(result, eps, name, shown)[0]]
    rows = [(_label(name), *_by_threat(result, eps, name, shown)) for name in names]
    strong = frozenset(k for k, name in enumerate(names) if name == result.headline.classifier)
    return title, ("classifier", *_heads(shown)), tuple(rows), strong, [_whole(result, eps, shown)]


def _classifiers(result: AttackResult) -> list[Classifier]:
    """The asked rule, then the mean that it is compared with, then the others."""
    names = dict.fromkeys(row.classifier for row in result.rows)
    first = [name for name in (result.headline.classifier, Classifier.MEAN) if name in names]
    return list(dict.fromkeys([*first, *names]))


def _heads(shown: dict[str, tuple[ThreatKind, ...]]) -> tuple[str, ...]:
    return next(iter(shown)), "", "minus mean", "clean"


def _by_threat(result: AttackResult, eps: float, name: Classifier, shown: dict[str, tuple[ThreatKind, ...]]) -> tuple[str, ...]:
    """The accuracy to quote, with its difference to the mean rule, and the clean one."""
    own = [row for row in result.rows if (row.eps, row.classifier) == (eps, name)]
    threats = next(iter(shown.values()))
    found = _lowest(own, threats)
    clean = f"{100 * own[0].clean.value:.1f}" if own else ""
    return percent(found), bar(found.value) if found else "", percent(_gap(own, threats)), clean


def _whole(result: AttackResult, eps: float, shown: dict[str, tuple[ThreatKind, ...]]) -> TerminalTable:
    """Every classifier and threat with its interval."""
    rows = []
    for name in _classifiers(result):
        own = [row for row in result.rows if (row.eps, row.classifier) == (eps, name)]
        found = (percent(_lowest(own, threats)) for threats in shown.values())
        rows.append((_label(name), *found, percent(own[0].clean) if own else ""))
    columns = ("classifier", *shown, "clean")
    return TerminalTable(f"every interval, in %, eps {eps:g}", columns, tuple(rows))


def _gap(own: Sequence[AttackRow], threats: tuple[ThreatKind, ...]) -> Difference | None:
    return next((row.minus_mean for row in own if row.threat in threats), None)


def _label(classifier: Classifier) -> str:
    return _LABELS.get(classifier, classifier.rule or classifier.value)


def _lowest(own: Sequence[AttackRow], threats: tuple[ThreatKind, ...]) -> Estimate | None:
    return min((row.adversarial for row in own if row.threat in threats), key=lambda one: one.value, default=None)


def _networks(result: AttackResult) -> str:
    return f"{count(result.trained, 'network')} trained, {result.reused} reused from the cache." if result.members else ""


def _answer(result: AttackResult | CorruptionResult | ScoreAttackResult | TaskAttackResult) -> str:
    if isinstance(result, TaskAttackResult):
        return task_attack_answer(result)
    if isinstance(result, CorruptionResult):
        return corruption_answer(result)
    if isinstance(result, ScoreAttackResult):
        return score_attack_answer(result)
    row = result.headline
    name = result.model if row.classifier is Classifier.BASELINE and not result.members else str(row.classifier)
    what = f"{name} under {result.method}, {_NORMS[result.norm]}, eps {row.eps:g}, {_THREATS.get(row.threat, row.threat)}"
    right = f"{percent(row.adversarial, '%')} of {count(row.adversarial.n, 'image')} right"
    if result.stopped is not None and result.stopped.early:
        right = (
            f"{percent(row.adversarial, '%')} of {count(result.stopped.total, 'image')} right, by "
            f"{result.stopped.seen:,} of them"
        )
    right += f", clean {100 * row.clean.value:.1f}%"
    gap = f"; {points(row.minus_mean)} to the mean, {_verdict(row.minus_mean)}" if row.minus_mean else ""
    checks = f"; {count(len(result.findings), 'sanity check')} failed" if result.findings else ""
    return f"{what}: {right}{gap}{checks}"


def _verdict(gap: Difference) -> str:
    return "established" if gap.established else "not established"


COMMAND = Command(
    name="attack",
    config=AttackConfig,
    engine="dlcli.engines.attack",
    examples=(
        "dlcli attack --method fgsm --ensemble max",
        "dlcli attack --model runs/digits --method pgd,apgd-ce --eps 0:0.3:0.05",
        "dlcli attack --model w.pth --arch lenet --data mnist.npz --norm l2 --eps 1.5",
        "dlcli attack --model runs/a --method transfer --surrogate runs/b",
        "dlcli attack --model runs/a --method corruptions --against runs/b",
        "dlcli attack --members 5 --ensemble mean --fail-under robust=0.5",
    ),
    table=_table,
    answer=_answer,
)
