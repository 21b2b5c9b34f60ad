"""What the figures of `dlcli attack` do not say by themselves, in sentences."""

from collections.abc import Sequence

from dlcli.specs.attack import AttackRow

NORM_NAMES = {"linf": "L∞ (each input value)", "l2": "L2 (Euclidean length)"}

_KNOWS = {
    "control": "nothing: this is a control",
    "black-box": "the network's answers only (black-box)",
    "white-box": "the weights (white-box)",
}


def knowledge(knows: str, *, ensemble: bool) -> str:
    """What the attacker knows, in a phrase; `knows` is a threat of the baseline's row."""
    if not ensemble or knows == "control":
        return _KNOWS[knows]
    return "by row: the baseline alone (transfer), the members and their rule (white-box, adaptive), all of these (worst-case)"


def notes(rows: Sequence[AttackRow], *, method: str, knows: str) -> tuple[str, ...]:
    """The sentences that belong to `rows`."""
    ensemble = any(row.minus_mean is not None for row in rows)
    found = [_bound(method, knows=knows, ensemble=ensemble)]
    if ensemble:
        found.append("The best member is chosen by its accuracy on these very adversarial images, which flatters it.")
        found.append("The oracle takes any member that is right, which only somebody who knows the labels can: it is no rule.")
        found.append(_max_minus_mean(rows))
    return tuple(found)


def _bound(method: str, *, knows: str, ensemble: bool) -> str:
    if knows == "control":
        return f"{method} is a control: it looks at no network, so it says nothing about attackers."
    if not ensemble:
        return f"{knows.capitalize()} accuracy under {method} is an upper bound: a stronger attack may leave less."
    return (
        "Adversarial accuracies are upper bounds, the transfer ones loosely so: their images were made on the baseline alone. "
        "An attacker who knows the ensemble is met under worst-case."
    )


def _max_minus_mean(rows: Sequence[AttackRow]) -> str:
    compared = [(row, row.minus_mean) for row in rows if row.classifier == "max rule" and row.minus_mean is not None]
    top, difference = max(compared, key=lambda pair: (pair[0].eps, pair[0].threat == "worst-case"))
    word = "established" if difference.established else "not established"
    return f"max minus mean, adversarial accuracy at eps {top.eps:g} ({top.threat}): {difference}: {word}."
