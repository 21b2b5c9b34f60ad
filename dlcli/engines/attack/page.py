"""The page of `dlcli attack -o DIR`: the headline, accuracy over eps, images, and the table of classifiers."""

from collections.abc import Sequence

from dlcli.core.html_report.card_images import card_image, difference_image
from dlcli.core.html_report.figures import AdversarialExample, PlotSeries, accuracy_plot, verdict
from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import (
    Bar,
    Bars,
    Cell,
    Chart,
    Fold,
    Gallery,
    PageTable,
    Part,
    percent,
    percent_cell,
)
from dlcli.core.html_report.vector import svg
from dlcli.engines.attack.hidden_layer import HiddenLayerFigures
from dlcli.engines.attack.images import pictured_network
from dlcli.specs.attack import AttackResult, AttackRow, Classifier, MethodRow, ThreatKind
from dlcli.support.plural import count

_KNOWS = (ThreatKind.WHITE_BOX, ThreatKind.BLACK_BOX, ThreatKind.NAIVE, ThreatKind.ADAPTIVE)
"""What an attacker does who knows the classifier, short of all of it at once."""
_BOUNDS = (ThreatKind.TRANSFER, ThreatKind.TRANSFER_INSIDE)
_UNDRAWN = (Classifier.BEST_MEMBER, Classifier.ORACLE)
"""Without a curve: the one is a member, the other no classifier."""


def attack_page(result: AttackResult, shown: Sequence[AdversarialExample], hidden: HiddenLayerFigures) -> Page:
    """The page.

    Args:
        result: The result.
        shown: Images before and after the attack at the eps of the headline, with their classes.
        hidden: The figure and the table of the last hidden layer.
    """
    top = result.headline
    robust, clean = percent(top.adversarial), percent(top.clean)
    methods = result.method.replace(",", " and ")
    failed = [f"Sanity check failed: {one.check}: {one.detail}." for one in result.findings]
    return Page(
        title=f"{result.model} on {result.data} under {methods}",
        number=f"{robust.value}%",
        interval=robust.interval,
        lead=f"of {count(top.adversarial.n, 'image')} are still right under {methods} at eps {top.eps:g} "
        f"({_attacked(result)}); without an attack {clean.value}% {clean.interval}.",
        parts=[
            *_over_eps(result),
            _bars(result),
            _gallery(result, shown),
            _table(result),
            _classes(result),
            *_methods(result),
            *_every_row(result),
            *hidden.parts,
        ],
        notes=[*failed, *result.notes, *hidden.notes],
        facts=_facts(result),
    )


def _attacked(result: AttackResult) -> str:
    """The classifier of the headline and its attacker; of a single network the attacker alone."""
    top = result.headline
    return f"{top.classifier}, {top.threat}" if result.members else str(top.threat)


def _facts(result: AttackResult) -> list[tuple[str, str]]:
    ensemble = f"{count(result.members, 'member')}, headline by the {result.rule} rule" if result.members else "none"
    made = f"{result.trained} trained, {result.reused} from the cache" if result.trained + result.reused else "trained before"
    return [
        ("Threat model", result.threat_model),
        ("Images", f"{count(result.n_images, 'test image')} of {result.data}"),
        ("Ensemble", ensemble),
        ("Networks", f"{made}; seed {result.seed}, {result.device}"),
        ("Sanity checks", f"{len(result.findings)} failed, see the notes" if result.findings else "none failed"),
        ("Cost", _cost(result.by_method)),
        ("Model SHA-256", result.model_sha256),
    ]


def _cost(methods: Sequence[MethodRow]) -> str:
    by_name = {name: [one for one in methods if one.method == name] for name in dict.fromkeys(one.method for one in methods)}
    return "; ".join(
        f"{name}: up to {max(one.queries for one in own):,.1f} queries per image, {sum(one.seconds for one in own):.1f} s"
        for name, own in by_name.items()
    )


def _strongest(result: AttackResult, eps: float) -> dict[Classifier, AttackRow]:
    """The row of each classifier against its strongest attacker, the last of its rows."""
    return {row.classifier: row for row in result.rows if row.eps == eps}


def _over_eps(result: AttackResult) -> list[Part]:
    """Accuracy from no attack to the largest eps: a line for each classifier, and one for each of several methods."""
    if len(result.eps) < 2:
        return []
    names = [name for name in dict.fromkeys(row.classifier for row in result.rows) if name not in _UNDRAWN]
    called = {name: str(name) if result.members else "network" for name in names}
    lines = [_series(called[name], [_strongest(result, eps)[name] for eps in result.eps]) for name in names]
    methods = list(dict.fromkeys(one.method for one in result.by_method))
    if len(methods) > 1:
        clean = next((row for row in result.rows if row.classifier == result.reference), result.rows[0])
        lines += [_of_method(name, clean, [one for one in result.by_method if one.method == name]) for name in methods]
    plot = accuracy_plot(lines, x_label="eps (input units)", y_label="accuracy, %")
    alone = f" Methods alone are on {pictured_network(result)}." if len(methods) > 1 else ""
    caption = f"Accuracy over eps against the strongest attacker of each classifier; bands are 95% intervals.{alone}"
    return [Chart(svg(plot, alt="Adversarial accuracy over eps, a line for each classifier and method"), caption)]


def _series(name: str, rows: Sequence[AttackRow]) -> PlotSeries:
    """The figures of one classifier over eps, from its clean accuracy on."""
    rows = sorted(rows, key=lambda row: row.eps)
    start = [(0.0, rows[0].clean)] if rows[0].eps > 0 else []
    points = [*start, *((row.eps, row.adversarial) for row in rows)]
    found = [figure for _, figure in points]
    return PlotSeries(
        name,
        x=[eps for eps, _ in points],
        y=[one.value for one in found],
        low=[one.low for one in found],
        high=[one.high for one in found],
    )


def _of_method(name: str, reference: AttackRow, rows: Sequence[MethodRow]) -> PlotSeries:
    rows = sorted(rows, key=lambda row: row.eps)
    found = [one.adversarial for one in rows]
    start = [(0.0, reference.clean)] if rows[0].eps > 0 else []
    points = [*start, *zip((row.eps for row in rows), found, strict=True)]
    x, figures = [eps for eps, _ in points], [figure for _, figure in points]
    return PlotSeries(
        f"{name} alone", x, [one.value for one in figures], [one.low for one in figures], [one.high for one in figures]
    )


def _bars(result: AttackResult) -> Bars:
    """Clean and robust accuracy of each classifier, or without an ensemble at each eps."""
    top = result.headline
    if result.members:
        rows = list(_strongest(result, top.eps).values())
        bars = [
            Bar(row.classifier, (row.adversarial, row.clean), str(row.threat), strong=row.classifier == top.classifier)
            for row in rows
        ]
        caption = f"Accuracy of each classifier at eps {top.eps:g}, under attack and clean"
    else:
        bars = [Bar(f"eps {row.eps:g}", (row.adversarial, row.clean), str(row.threat)) for row in result.rows]
        caption = "Accuracy under attack and clean"
    return Bars(caption, ("under attack", "clean"), bars)


def _gallery(result: AttackResult, shown: Sequence[AdversarialExample]) -> Gallery:
    eps = result.headline.eps
    cards = [
        (
            card_image(one.clean, alt=f"An image of {one.true}", line=_line(one.true, one.predicted_clean)),
            card_image(
                one.adversarial,
                alt=f"The same image under attack, predicted as {one.predicted_adversarial}",
                line=_line(one.true, one.predicted_adversarial),
            ),
            difference_image(one.adversarial - one.clean, eps, alt="The difference of the two", line="difference"),
        )
        for one in shown
    ]
    return Gallery(
        f"Images at eps {eps:g}: clean, under attack, and their difference, true → predicted by {pictured_network(result)}; "
        "first those that changed from right to wrong. Of the difference, red is an increase and blue a decrease, opaque at "
        f"{eps:g} (averaged over channels if there are several).",
        cards,
    )


def _line(true: str, predicted: str) -> str:
    return verdict(true, predicted).replace("\n", " ")


def _table(result: AttackResult) -> PageTable:
    """At the eps of the headline, a row for each classifier; without an ensemble, one for each eps."""
    if not result.members:
        return _single(result)
    top = result.headline
    threats = [threat for threat in ThreatKind if any(row.threat == threat for row in result.rows)]
    worst = ThreatKind.WORST_CASE if ThreatKind.WORST_CASE in threats else threats[-1]
    rows: dict[str, dict[str, Cell]] = {}
    for name in dict.fromkeys(row.classifier for row in result.rows):
        own = {row.threat: row for row in result.rows if (row.classifier, row.eps) == (name, top.eps)}
        rows[name] = _cells(name, own, worst, threats)
    headers = list(rows[top.classifier])
    cells = [[name, *(row[header] for header in headers)] for name, row in rows.items()]
    return PageTable(f"{_CAPTION}, at eps {top.eps:g}", ["classifier", *headers], cells, list(rows).index(top.classifier))


def _single(result: AttackResult) -> PageTable:
    reached = ["target reached"] if any(row.reached for row in result.rows) else []
    cells: list[Sequence[Cell]] = [
        [f"{row.eps:g}", *map(percent_cell, (row.adversarial, row.clean, row.eight_bit, row.reached)[: 3 + len(reached)])]
        for row in result.rows
    ]
    threat = result.rows[0].threat
    return PageTable(_CAPTION, ["eps", f"{threat}{_REMARKS.get(threat, '')}", "clean", "after 8-bit rounding", *reached], cells)


def _cells(
    name: Classifier, own: dict[ThreatKind, AttackRow], worst: ThreatKind, threats: Sequence[ThreatKind]
) -> dict[str, Cell]:
    """The cells of a classifier by header; white-box is the lowest accuracy under any attacker who knows it."""
    cells = {str(worst): _of(own, worst), "clean": percent_cell(next(iter(own.values())).clean)}
    cells[f"{worst}, minus mean rule"] = percent_cell(own[worst].minus_mean if worst in own else None)
    if worst is ThreatKind.CONTROL:
        return cells
    knowing = [own[threat].adversarial for threat in _KNOWS if threat in own]
    cells["white-box"] = percent_cell(min(knowing, key=lambda one: one.value)) if knowing else _NONE
    rest = [threat for threat in threats if threat in _BOUNDS]
    return cells | {f"{threat} (upper bound)": _of(own, threat) for threat in rest[:1]}


def _every_row(result: AttackResult) -> list[Part]:
    """All rows of an ensemble's result, at every eps and under every attacker."""
    if not result.members:
        return []
    cells: list[Sequence[Cell]] = [
        [
            row.classifier,
            percent_cell(row.adversarial),
            f"{row.eps:g}",
            f"{row.threat}{_REMARKS.get(row.threat, '')}",
            percent_cell(row.minus_mean),
            percent_cell(row.eight_bit),
        ]
        for row in result.rows
    ]
    headers = ["classifier", "accuracy", "eps", "attacker", "minus mean rule", "after 8-bit rounding"]
    return [Fold("Every attacker at every eps", [PageTable(_CAPTION, headers, cells)])]


_CAPTION = "Accuracy in %, with 95% intervals"
_NONE = "n/a: single network"
_REMARKS = {
    ThreatKind.TRANSFER: " (upper bound)",
    ThreatKind.TRANSFER_INSIDE: " (upper bound)",
    ThreatKind.NAIVE: " (the rule is not differentiable)",
}


def _of(own: dict[ThreatKind, AttackRow], threat: ThreatKind) -> Cell:
    return percent_cell(own[threat].adversarial) if threat in own else _NONE


def _methods(result: AttackResult) -> list[Part]:
    """The figures of single methods, without columns that are empty in this run, if they are not those of the table above."""
    headers = ["method", "accuracy, %", "eps", "target reached, %", "norm quartiles", "not fooled"]
    rows = [_method(one) for one in result.by_method]
    used = [k for k in range(len(headers)) if any(row[k] for row in rows)]
    if len(result.method.split(",")) < 2 and len(used) < 4:
        return []
    cells: list[Sequence[Cell]] = [[row[k] for k in used] for row in rows]
    return [PageTable(f"Each method alone on {pictured_network(result)}", [headers[k] for k in used], cells)]


def _method(one: MethodRow) -> list[Cell]:
    reached = percent_cell(one.reached) if one.reached else ""
    quartiles = ", ".join(f"{found.value:.3g}" for found in one.norm_quartiles) if one.norm_quartiles else ""
    failed = "" if one.failed_images is None else str(one.failed_images)
    return [one.method, percent_cell(one.adversarial), f"{one.eps:g}", reached, quartiles, failed]


def _classes(result: AttackResult) -> Bars:
    top = result.headline
    bars = [
        Bar(one.name, (one.adversarial, one.clean), f"n {one.clean.n:,}")
        for one in sorted(result.per_class, key=lambda one: one.adversarial.value)
    ]
    caption = f"By class, the least robust first, at eps {top.eps:g} ({_attacked(result)})"
    return Bars(caption, ("under attack", "clean"), bars)
