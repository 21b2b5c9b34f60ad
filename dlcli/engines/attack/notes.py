"""Notes on a result of `dlcli attack`: how far its figures can be trusted."""

from collections.abc import Sequence

from dlcli.specs.attack import AttackRow, Classifier, MethodRow, ThreatKind
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.specs.figures import percent, points
from dlcli.support.plural import count

NORM_NAMES = {"linf": "L∞ (each input value)", "l2": "L2 (Euclidean norm)", "l1": "L1 (sum of absolute values)"}

_KNOWLEDGE = {
    ThreatKind.CONTROL: "nothing (a control)",
    ThreatKind.BLACK_BOX: "only the network's outputs (black-box)",
    ThreatKind.WHITE_BOX: "the weights (white-box)",
    ThreatKind.TRANSFER: "another network, the surrogate (transfer)",
}


def attacker_knowledge(threat: ThreatKind, *, ensemble: bool, transfer: bool) -> str:
    """What the attacker knows, in a phrase; `transfer` says whether there are transfer rows."""
    if not ensemble or threat is ThreatKind.CONTROL:
        return _KNOWLEDGE[threat]
    alone = "the baseline alone (transfer), " if transfer else ""
    return f"by row: {alone}the members and their rule (white-box, adaptive), all of these (worst-case)"


def notes(rows: Sequence[AttackRow], *, method: str, threat: ThreatKind) -> tuple[str, ...]:
    """The notes on `rows`, from attacks by `method` under `threat`."""
    ensemble = any(row.minus_mean is not None for row in rows)
    transfer = any(row.upper_bound for row in rows)
    found = [_bound(method, threat, ensemble=ensemble, transfer=transfer), *_reached(rows)]
    if ensemble:
        found.append("The best member is chosen on these same adversarial images, so its accuracy is optimistically biased.")
        oracle = "The oracle counts an image as right if any member is right; it needs the labels, so it is not a rule to use."
        found.append(oracle)
        found += [_max_minus_mean(rows), *_others(rows)]
    return tuple(found)


def unchanged_note(norm: str, eps: float, values: int, *, changed: float) -> tuple[str, ...]:
    """The note on an attack that makes nothing wrong: a sum over many values leaves little for each.

    Args:
        norm: The norm of eps.
        eps: The largest change of an example.
        values: Number of values of an example.
        changed: The share of examples or places that were right and are wrong now.
    """
    if changed > 0 or eps == 0:
        return ()
    each = {"l1": eps / values, "l2": eps / values**0.5}.get(norm)
    spread = "" if each is None else f", which is {each:.2g} for each of {values:,} values if all change alike"
    return (f"The attack turns no right prediction into a wrong one at eps {eps:g}{spread}; a larger `eps` tells more.",)


def unchanged_images(norm: str, headline: AttackRow, values: int) -> tuple[str, ...]:
    """`unchanged_note` of a classifier of images; a control is not expected to fool it."""
    if headline.threat is ThreatKind.CONTROL or not headline.clean.value:
        return ()
    return unchanged_note(norm, headline.eps, values, changed=headline.clean.value - headline.adversarial.value)


def norm_notes(methods: Sequence[MethodRow]) -> tuple[str, ...]:
    """For each minimum-norm method, how large the smallest perturbations are."""
    return tuple(dict.fromkeys(_norms(row, row.failed_images) for row in methods if row.failed_images is not None))


def _norms(row: MethodRow, failed: int) -> str:
    unfooled = f"{count(failed, 'image')} not fooled at any eps"
    if row.norm_quartiles is None:
        return f"Smallest perturbations by {row.method}: none found; {unfooled}."
    first, median, third = map(_norm, row.norm_quartiles)
    return f"Smallest perturbations by {row.method}: median {median}, quartiles {first} and {third}; {unfooled}."


def _norm(found: Estimate | PointEstimate) -> str:
    return f"{found.value:.3g}" + (f" [{found.low:.3g}, {found.high:.3g}]" if isinstance(found, Estimate) else "")


def _reached(rows: Sequence[AttackRow]) -> list[str]:
    """The share of images that reached their target, at each eps."""
    found = [f"{percent(row.reached, '%')} at eps {row.eps:g}" for row in rows if row.reached is not None]
    return [f"Share of images classified as their target: {', '.join(found)}."] if found else []


def _bound(method: str, threat: ThreatKind, *, ensemble: bool, transfer: bool) -> str:
    if threat is ThreatKind.CONTROL:
        return f"{method} is a control: it uses no network, so this accuracy is not a measure of robustness."
    if not ensemble and threat is ThreatKind.TRANSFER:
        return "Transfer accuracy is a loose upper bound on these images: an attack on the network itself can lower it."
    if not ensemble:
        return (
            f"{threat.capitalize()} accuracy under {method} is an upper bound on these images: a stronger attack can lower it."
        )
    bounds = "Each accuracy under attack is an upper bound on these images: a stronger attack can lower it."
    loose = " Under transfer it can be much too high, since those images were made on another network." if transfer else ""
    return f"{bounds}{loose} Quote the worst case, that of an attacker who knows the ensemble."


def _others(rows: Sequence[AttackRow]) -> list[str]:
    """A note that the other differences of the table are not tested, with their number."""
    n = sum(row.minus_mean is not None for row in rows) - 1
    if n < 1:
        return []
    what = f"The other {count(n, 'difference')} to the mean have intervals, but no verdict"
    return [f"{what}: if there were no differences, {n / 20:.2g} of {n} would exclude 0 by chance, on average."]


def _max_minus_mean(rows: Sequence[AttackRow]) -> str:
    compared = [(row, row.minus_mean) for row in rows if row.classifier is Classifier.MAX and row.minus_mean is not None]
    top, difference = max(compared, key=lambda pair: (pair[0].eps, pair[0].threat is ThreatKind.WORST_CASE))
    word = "established" if difference.established else "not established"
    return f"Max minus mean, adversarial accuracy at eps {top.eps:g} ({top.threat}): {points(difference)}, {word}."
