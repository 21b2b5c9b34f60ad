"""What the figures of `dlcli attack` do not say by themselves, in sentences."""

from collections.abc import Sequence

from dlcli.specs.attack import AttackRow

BASELINE = "baseline"


def rule_name(rule: str) -> str:
    """How the classifier that decides by `rule` is called in the rows."""
    return f"{rule} rule"


def notes(rows: Sequence[AttackRow], *, method: str, knows_model: bool, unmoved: int) -> tuple[str, ...]:
    """The sentences that belong to `rows`; `unmoved` images stayed as they were at the largest eps."""
    ensemble = any(row.classifier != BASELINE for row in rows)
    found = [_knowledge(method, knows_model=knows_model, ensemble=ensemble)]
    if ensemble:
        found.append("The best member is chosen by its accuracy on these very adversarial images, which flatters it.")
        found.append(_max_minus_mean(rows))
    if unmoved and knows_model:
        # A network that is sure beyond its precision has a gradient of 0, which looks like robustness and is none.
        cause = f"{unmoved} of {rows[0].clean.n} images have no gradient and were left as they are"
        found.append(f"{cause}; that is no robustness, an attack of another kind may move them.")
    return tuple(found)


def _knowledge(method: str, *, knows_model: bool, ensemble: bool) -> str:
    if not knows_model:
        return f"{method} is a control: it looks at no network, so it says nothing about attackers."
    if not ensemble:
        return f"White-box accuracy under {method} is an upper bound: a stronger attack may leave less."
    return (
        "Adversarial accuracies are upper bounds, the transfer ones loosely so: the images were made on the baseline "
        "alone, and an attacker who knows the ensemble does better."
    )


def _max_minus_mean(rows: Sequence[AttackRow]) -> str:
    found = {row.eps: row.minus_mean for row in rows if row.classifier == rule_name("max") and row.minus_mean is not None}
    eps = max(found)
    word = "established" if found[eps].established else "not established"
    return f"max minus mean, adversarial accuracy at eps {eps:g}: {found[eps]}: {word}."
