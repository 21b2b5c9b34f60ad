"""How the members of an ensemble decide together: from stacked logits (members, n, classes) to labels (n,).

Every rule gives the same labels in whatever order the members stand; what is still tied goes to the lowest label. The
modules at the end are objectives for an attacker who knows the members: the rules themselves and two that attack better.
"""

from collections.abc import Callable, Sequence
from math import log

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from dlcli.core.compute.precision import to_float64
from dlcli.support.errors import UsageError


def mean_probability(logits: Tensor) -> Tensor:
    """The class whose softmax probability, averaged over the members, is highest."""
    return _mean_probabilities(logits).argmax(-1).to(logits.device)


def mean_logit(logits: Tensor) -> Tensor:
    """The class whose logit, averaged over the members, is highest: that of the geometric mean of their probabilities."""
    return _mean_in_order(to_float64(logits)).argmax(-1).to(logits.device)


def most_confident(logits: Tensor) -> Tensor:
    """For each example, the member with the highest probability for its own class decides."""
    return _confidences(logits).amax(0).argmax(-1).to(logits.device)


def highest_logit(logits: Tensor) -> Tensor:
    """The class with the highest logit that any member gives."""
    return logits.amax(0).argmax(-1)


def majority(logits: Tensor) -> Tensor:
    """The class most members choose; among classes with equally many votes, the one of highest mean probability."""
    mean = _mean_probabilities(logits)
    votes = _votes(logits).to(mean.device)
    leads = votes == votes.amax(-1, keepdim=True)
    return mean.masked_fill(~leads, -1).argmax(-1).to(logits.device)


def ensemble_logits(logits: Tensor, rule: str) -> Tensor:
    """The logits (n, classes, ...) by which an ensemble answers, as `RuleModel` says for each rule.

    Those of its members are (members, n, classes, ...); each of the further places, such as pixels, is decided for itself.
    """
    if logits.dim() == 3:
        return _LOGITS[rule](logits)
    last = logits.movedim(2, -1)
    return _LOGITS[rule](last.flatten(1, -2)).reshape(last.shape[1:]).movedim(-1, 1)


def any_correct(logits: Tensor, y: Tensor) -> Tensor:
    """Which examples at least one member gets right, (n,) bool: an oracle that knows the labels `y` (n,), and no rule."""
    return (logits.argmax(-1) == y).any(0)


def _votes(logits: Tensor) -> Tensor:
    """How many members choose each class, (n, classes) int64."""
    return one_hot(logits.argmax(-1), logits.shape[-1]).sum(0)


def _mean_probabilities(logits: Tensor) -> Tensor:
    return _mean_in_order(to_float64(logits).softmax(-1))


def _mean_in_order(values: Tensor) -> Tensor:
    # Added up in sorted order, since a sum of floats depends on its order and a rule must not.
    return values.sort(0).values.mean(0)


def _confidences(logits: Tensor) -> Tensor:
    """The log-odds that each member gives its own class, -inf for its other classes: (members, n, classes) float64."""
    exact = to_float64(logits)
    top, labels = exact.max(-1)
    others = exact.scatter(-1, labels.unsqueeze(-1), -torch.inf)
    # Log-odds instead of probabilities: the same order, but two members at 0.999999999 and more stay apart instead of
    # both rounding to 1.
    confidence = top - others.logsumexp(-1)
    return torch.full_like(others, -torch.inf).scatter(-1, labels.unsqueeze(-1), confidence.unsqueeze(-1))


RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": mean_probability,
    "max": most_confident,
    "vote": majority,
    "mean-logit": mean_logit,
    "max-logit": highest_logit,
}
"""The rules by the names they have on the command line."""

VOTE_TEMPERATURE = 0.1
"""How sharp the votes are of which the vote takes its gradient: soft ones at 1 are the mean's."""


class RuleModel(nn.Module):
    """An ensemble that decides by a rule, as one network whose largest logit is the class the rule takes.

    Of members (n, classes) it gives logits (n, classes): for `mean` the logarithm of the mean probability, for `mean-logit`
    the mean logit, for `max` the logits of the member that decides, for `max-logit` each class's highest, for `vote` the
    logarithm of the share of votes, with ties split by the mean probability. The first two are smooth. Through `max` and
    `max-logit` a gradient reaches one member alone, through `vote` that of softened votes: attacks through them
    overestimate robustness.
    """

    def __init__(self, members: Sequence[nn.Module], rule: str) -> None:
        super().__init__()
        if rule not in _LOGITS:
            raise UsageError(f"no rule is called '{rule}'", hint=f"there are: {', '.join(_LOGITS)}")
        self.members, self.rule = nn.ModuleList(members), rule

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, ...) to logits (n, classes), or (n, classes, ...) of members that have some for each place."""
        return ensemble_logits(_stacked(self.members, x), self.rule)


class SmoothMax(nn.Module):
    """The `max` rule smoothed: T * log sum over members of p ** (1 / T), for each class, as logits (n, classes).

    At temperature 1 it is the mean rule in disguise, towards 0 it is the highest probability that any member gives; between
    them a gradient reaches every member that might come to decide. `temperature` is in (0, 1).
    """

    def __init__(self, members: Sequence[nn.Module], temperature: float = 0.3) -> None:
        super().__init__()
        if not 0 < temperature < 1:
            raise UsageError(f"the temperature is {temperature:g}", hint="give a number between 0 and 1, without both ends")
        self.members, self.temperature = nn.ModuleList(members), temperature

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, ...) to logits (n, classes)."""
        logged = _stacked(self.members, x).log_softmax(-1)
        return self.temperature * torch.logsumexp(logged / self.temperature, 0)


class MeanLogProbability(nn.Module):
    """All members at once: a network whose cross-entropy is the mean of theirs, for any label, and so is the gradient.

    Its outputs (n, classes + 1) are the mean log-probabilities, and last the logarithm of what these leave of 1, which is
    the more the members disagree. That class is not a prediction: use this network for
    the gradient of an attack, with all its steps, and not for evaluation.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, ...) to log-probabilities (n, classes + 1)."""
        logged = _stacked(self.members, x).log_softmax(-1).mean(0)
        # With the rest as a class of its own they sum to 1, so that a softmax changes nothing.
        rest = (1 - logged.exp().sum(-1, keepdim=True)).clamp_min(torch.finfo(logged.dtype).tiny)
        return torch.cat([logged, rest.log()], -1)


def _stacked(members: nn.ModuleList, x: Tensor) -> Tensor:
    return torch.stack([member(x) for member in members])


def _mean_probability_logits(logits: Tensor) -> Tensor:
    return logits.log_softmax(-1).logsumexp(0) - log(len(logits))


def _deciding_logits(logits: Tensor) -> Tensor:
    with torch.no_grad():
        confidences = _confidences(logits)
        # Of equally sure members one whose class the rule takes.
        label = confidences.amax(0).argmax(-1)
        deciding = confidences.gather(-1, label.expand(len(logits), -1).unsqueeze(-1)).squeeze(-1).argmax(0).to(logits.device)
    return logits[deciding, torch.arange(logits.shape[1], device=logits.device)]


def _vote_logits(logits: Tensor) -> Tensor:
    with torch.no_grad():
        # A vote outweighs any mean probability, which is at most 1, and 1 only where all votes are for that class.
        mean = _mean_probabilities(logits)
        votes = _votes(logits).to(mean.device) + mean
        shares = (votes / (len(logits) + 1)).to(logits).clamp_min(torch.finfo(logits.dtype).tiny).log()
    soft = (logits / VOTE_TEMPERATURE).log_softmax(-1).logsumexp(0)
    return shares + (soft - soft.detach())


_LOGITS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": _mean_probability_logits,
    "max": _deciding_logits,
    "vote": _vote_logits,
    "mean-logit": lambda logits: logits.mean(0),
    "max-logit": lambda logits: logits.amax(0),
}
