"""What the figures of `dlcli attack` do not say by themselves, in sentences."""

from collections.abc import Sequence

from dlcli.specs.attack import AttackRow, MethodRow
from dlcli.support.plural import count

NORM_NAMES = {"linf": "L∞ (each input value)", "l2": "L2 (Euclidean length)"}

_KNOWS = {
    "control": "nothing: this is a control",
    "black-box": "the network's answers only (black-box)",
    "white-box": "the weights (white-box)",
    "transfer": "another network, the surrogate (transfer)",
}


def knowledge(knows: str, *, ensemble: bool, transfer: bool) -> str:
    """What the attacker knows, in a phrase; `knows` is a threat of the baseline's row, `transfer` if there is such a row."""
    if not ensemble or knows == "control":
        return _KNOWS[knows]
    alone = "the baseline alone (transfer), " if transfer else ""
    return f"by row: {alone}the members and their rule (white-box, adaptive), all of these (worst-case)"


def notes(rows: Sequence[AttackRow], *, method: str, knows: str) -> tuple[str, ...]:
    """The sentences that belong to `rows`."""
    ensemble = any(row.minus_mean is not None for row in rows)
    transfer = any(row.upper_bound for row in rows)
    found = [_bound(method, knows=knows, ensemble=ensemble, transfer=transfer), *_reached(rows)]
    if ensemble:
        found.append("The best member is chosen by its accuracy on these very adversarial images, which flatters it.")
        found.append("The oracle takes any member that is right, which only somebody who knows the labels can: it is no rule.")
        found.append(_max_minus_mean(rows))
    return tuple(found)


def norm_notes(methods: Sequence[MethodRow]) -> tuple[str, ...]:
    """Of each minimum-norm method, how long the smallest changes are."""
    return tuple(dict.fromkeys(_norms(row, row.failed_images) for row in methods if row.failed_images is not None))


def _norms(row: MethodRow, failed: int) -> str:
    lost = f"{count(failed, 'image')} not fooled at any eps"
    if row.norm_quartiles is None:
        return f"Smallest changes by {row.method}: none found; {lost}."
    first, median, third = row.norm_quartiles
    return f"Smallest changes by {row.method}: median {median:.3g}, quartiles {first:.3g} and {third:.3g}; {lost}."


def _reached(rows: Sequence[AttackRow]) -> list[str]:
    """How often the target was reached, at each eps."""
    found = [f"{row.reached} at eps {row.eps:g}" for row in rows if row.reached is not None]
    return [f"Share of images taken for their target: {', '.join(found)}."] if found else []


def _bound(method: str, *, knows: str, ensemble: bool, transfer: bool) -> str:
    if knows == "control":
        return f"{method} is a control: it looks at no network, so it says nothing about attackers."
    if not ensemble and knows == "transfer":
        return "Transfer accuracy is an upper bound, and a loose one: an attacker who asks the network itself leaves less."
    if not ensemble:
        return f"{knows.capitalize()} accuracy under {method} is an upper bound: a stronger attack may leave less."
    loose = ", the transfer ones loosely so: their images were made on the baseline alone" if transfer else ""
    return f"Adversarial accuracies are upper bounds{loose}. An attacker who knows the ensemble is met under worst-case."


def _max_minus_mean(rows: Sequence[AttackRow]) -> str:
    compared = [(row, row.minus_mean) for row in rows if row.classifier == "max rule" and row.minus_mean is not None]
    top, difference = max(compared, key=lambda pair: (pair[0].eps, pair[0].threat == "worst-case"))
    word = "established" if difference.established else "not established"
    return f"max minus mean, adversarial accuracy at eps {top.eps:g} ({top.threat}): {difference}: {word}."
