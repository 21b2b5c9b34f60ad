"""The rules by which members decide together."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.ensembles.combine import RULES, MeanLogProbability, RuleModel, SmoothMax, any_correct
from dlcli.support.errors import UsageError

every = pytest.mark.parametrize("rule", RULES)


@st.composite
def stacked_logits(draw: st.DrawFn, classes: int | None = None) -> Tensor:
    """Logits (members, n, classes) on a grid, so that ties and saturated softmaxes come up."""
    members, n = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    classes = classes or draw(st.integers(1, 5))
    count = members * n * classes
    values = draw(st.lists(st.integers(-40, 40), min_size=count, max_size=count))
    return (torch.tensor(values, dtype=torch.float32) * draw(st.sampled_from([0.01, 0.5, 3.0]))).reshape(members, n, classes)


@every
@settings(max_examples=100, deadline=None)
@given(logits=stacked_logits(), seed=st.integers(0, 99))
def test_the_order_of_members_does_not_matter(rule: str, logits: Tensor, seed: int) -> None:
    order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(RULES[rule](logits[order]), RULES[rule](logits))


@every
@settings(max_examples=100, deadline=None)
@given(logits=stacked_logits(), copies=st.integers(1, 7))
def test_copies_of_one_member_predict_as_it_does(rule: str, logits: Tensor, copies: int) -> None:
    single = logits[:1]
    assert torch.equal(RULES[rule](single.expand(copies, -1, -1)), single[0].argmax(-1))


@pytest.mark.parametrize("rule", ["max", "vote", "max-logit"])
@settings(max_examples=100, deadline=None)
@given(logits=stacked_logits())
def test_max_and_vote_predict_the_class_of_some_member(rule: str, logits: Tensor) -> None:
    # So their accuracy is at most that of an oracle which picks a member that is right.
    assert bool((logits.argmax(-1) == RULES[rule](logits)).any(0).all())


@settings(max_examples=100, deadline=None)
@given(logits=stacked_logits(classes=2))
def test_with_two_classes_mean_predicts_the_class_of_some_member(logits: Tensor) -> None:
    assert bool((logits.argmax(-1) == RULES["mean"](logits)).any(0).all())


@every
@settings(max_examples=100, deadline=None)
@given(logits=stacked_logits(classes=2), labels=st.integers(0, 31))
def test_no_rule_beats_the_oracle_between_two_classes(rule: str, logits: Tensor, labels: int) -> None:
    y = torch.tensor([labels >> k & 1 for k in range(logits.shape[1])])
    right, oracle = RULES[rule](logits) == y, any_correct(logits, y)
    assert bool((oracle | ~right).all())
    assert oracle.tolist() == [any(int(member[k].argmax()) == int(y[k]) for member in logits) for k in range(len(y))]


def test_with_three_classes_mean_may_predict_a_class_of_no_member() -> None:
    logits = torch.tensor([[[0.51, 0.0, 0.49]], [[0.0, 0.51, 0.49]]]).clamp(min=1e-9).log()
    assert RULES["mean"](logits).tolist() == [2]
    assert RULES["max"](logits).tolist() == RULES["vote"](logits).tolist() == [0]


@settings(max_examples=100, deadline=None)
@given(logits=stacked_logits())
def test_the_rules_match_a_plain_loop(logits: Tensor) -> None:
    for k in range(logits.shape[1]):
        p = logits[:, k].double().softmax(-1)
        assert float(p.mean(0)[RULES["mean"](logits)[k]]) >= float(p.mean(0).max()) - 1e-12
        assert float(p[:, RULES["max"](logits)[k]].max()) >= float(p.max()) - 1e-12
        mean, highest = logits[:, k].double().mean(0), logits[:, k].amax(0)
        assert float(mean[RULES["mean-logit"](logits)[k]]) >= float(mean.max()) - 1e-9
        assert float(highest[RULES["max-logit"](logits)[k]]) == float(highest.max())
        counts = torch.bincount(logits[:, k].argmax(-1), minlength=logits.shape[-1])
        assert counts[RULES["vote"](logits)[k]] == counts.max()


def test_max_distinguishes_members_whose_probabilities_round_to_1() -> None:
    # Probabilities 1 - e^-60 and 1 - e^-50: float64 holds neither, their odds are a factor e^10 apart.
    assert RULES["max"](torch.tensor([[[0.0, 50.0]], [[60.0, 0.0]]])).tolist() == [0]
    assert RULES["max"](torch.tensor([[[50.0, 0.0]], [[0.0, 60.0]]])).tolist() == [1]


def test_the_most_confident_member_decides_per_example() -> None:
    one, two = [[0.0, 5.0], [0.5, 0.0]], [[1.0, 0.0], [0.0, 4.0]]
    assert RULES["max"](torch.tensor([one, two])).tolist() == [1, 1]


def test_tied_votes_go_to_the_higher_mean_probability_among_the_tied() -> None:
    p = torch.tensor([[[0.5, 0.1, 0.4]], [[0.0, 0.6, 0.4]]])  # one vote each for 0 and 1; the mean prefers class 2
    assert RULES["vote"](p.clamp(min=1e-9).log()).tolist() == [1]
    assert RULES["mean"](p.clamp(min=1e-9).log()).tolist() == [2]


def test_a_majority_outvotes_one_confident_member() -> None:
    logits = torch.tensor([[[0.1, 0.0]], [[0.1, 0.0]], [[0.0, 50.0]]])
    found = {name: decide(logits).tolist() for name, decide in RULES.items()}
    assert found == {"vote": [0], "mean": [1], "max": [1], "mean-logit": [1], "max-logit": [1]}


@every
def test_ties_go_to_the_lowest_label_in_any_order_of_members(rule: str) -> None:
    # Both classes get the same three probabilities and their complements; floats added up in another order would differ.
    rows = [[0.1, 0.0], [0.2, 0.0], [0.7, 0.0], [0.0, 0.1], [0.0, 0.2], [0.0, 0.7]]
    for order in itertools.permutations(rows):
        assert RULES[rule](torch.tensor(order).unsqueeze(1)).tolist() == [0]


class Given(nn.Module):
    """A member whose logits are its parameters, for as many images as it has rows."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits.clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.logits


def members_of(logits: Tensor) -> list[Given]:
    return [Given(one) for one in logits]


def nothing_for(logits: Tensor) -> Tensor:
    return torch.zeros(logits.shape[1], 1)


@every
@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), members=st.integers(1, 6))
def test_the_network_of_a_rule_predicts_as_the_rule(rule: str, seed: int, members: int) -> None:
    # No grid here: a tie that rounding decides is not what is asked about.
    logits = 4 * torch.randn(members, 7, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = RuleModel(members_of(logits), rule)(nothing_for(logits))
    assert torch.equal(found.argmax(-1), RULES[rule](logits))


@pytest.mark.parametrize("rule", ["max", "max-logit"])
def test_the_network_of_max_distinguishes_confident_members(rule: str) -> None:
    logits = torch.tensor([[[0.0, 50.0]], [[60.0, 0.0]]])
    assert RuleModel(members_of(logits), rule)(nothing_for(logits)).argmax(-1).tolist() == [0]


@pytest.mark.parametrize("rule", ["mean", "max", "mean-logit", "max-logit", "smooth"])
@settings(max_examples=50, deadline=None)
@given(logits=stacked_logits(classes=3), copies=st.integers(1, 5))
def test_a_network_of_copies_of_one_member_equals_it(rule: str, logits: Tensor, copies: int) -> None:
    several = logits[:1].double().expand(copies, -1, -1)
    found = network_of(rule, several)(nothing_for(several)).log_softmax(-1)
    assert torch.allclose(found, logits[0].double().log_softmax(-1), atol=1e-9)


@pytest.mark.parametrize("rule", [*RULES, "smooth", "every"])
@settings(max_examples=50, deadline=None)
@given(logits=stacked_logits(classes=3), seed=st.integers(0, 99))
def test_the_order_of_members_does_not_matter_to_the_networks(rule: str, logits: Tensor, seed: int) -> None:
    order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(seed))
    one, other = (network_of(rule, given)(nothing_for(logits)) for given in (logits.double(), logits.double()[order]))
    if rule == "max":  # of two members equally sure of one class either may lend its logits
        assert torch.equal(one.argmax(-1), other.argmax(-1))
    else:
        assert torch.allclose(one, other, atol=1e-9)


def network_of(rule: str, logits: Tensor) -> nn.Module:
    members = members_of(logits)
    return {"smooth": SmoothMax, "every": MeanLogProbability}[rule](members) if rule not in RULES else RuleModel(members, rule)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), members=st.integers(1, 5))
def test_mean_log_probability_has_the_mean_cross_entropy_and_gradient(seed: int, members: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(members, 6, 4, generator=generator, dtype=torch.float64)
    y = torch.randint(4, (6,), generator=generator)
    ours, theirs = members_of(logits), members_of(logits)
    loss = cross_entropy(MeanLogProbability(ours)(nothing_for(logits)), y)
    wanted = torch.stack([cross_entropy(one.logits, y) for one in theirs]).mean()
    loss.backward()
    wanted.backward()
    assert torch.allclose(loss, wanted, atol=1e-9)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one.logits.grad, other.logits.grad, atol=1e-9)


def test_mean_log_probability_is_finite_where_all_members_agree() -> None:
    logits = torch.tensor([[[200.0, 0.0]], [[200.0, 0.0]]])
    members = members_of(logits)
    found = MeanLogProbability(members)(nothing_for(logits))
    cross_entropy(found, torch.tensor([0])).backward()
    assert bool(found.isfinite().all()) and all(bool(one.logits.grad.isfinite().all()) for one in members)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_smooth_max_lies_between_the_mean_rule_and_the_highest_probability(seed: int) -> None:
    logits = 3 * torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    p = logits.softmax(-1)
    sharp, soft = (SmoothMax(members_of(logits), t)(nothing_for(logits)) for t in (1e-3, 1 - 1e-9))
    assert torch.allclose(sharp, p.amax(0).log(), atol=1e-2)  # T log(members) at the most
    assert torch.allclose(soft, p.sum(0).log(), atol=1e-6)


@pytest.mark.parametrize(("rule", "reached"), [("mean", 3), ("mean-logit", 3), ("vote", 3), ("max", 1)])
def test_how_many_members_a_gradient_reaches(rule: str, reached: int) -> None:
    """What makes the attack through max naive."""
    members = members_of(torch.tensor([[[2.0, 0.0, 0.0]], [[1.0, 0.5, 0.0]], [[0.0, 1.0, 0.2]]]))
    cross_entropy(RuleModel(members, rule)(torch.zeros(1, 1)), torch.tensor([0])).backward()
    assert sum(one.logits.grad is not None and bool(one.logits.grad.any()) for one in members) == reached


def test_the_smooth_max_reaches_all_members() -> None:
    members = members_of(torch.tensor([[[2.0, 0.0, 0.0]], [[1.0, 0.5, 0.0]], [[0.0, 1.0, 0.2]]]))
    cross_entropy(SmoothMax(members)(torch.zeros(1, 1)), torch.tensor([0])).backward()
    assert all(bool(one.logits.grad.any()) for one in members)


def test_the_votes_of_the_network_are_shares_that_sum_to_1() -> None:
    logits = torch.tensor([[[3.0, 0.0, 0.0]], [[3.0, 0.0, 0.0]], [[0.0, 3.0, 0.0]]])
    shares = RuleModel(members_of(logits), "vote")(torch.zeros(1, 1)).exp()[0]
    mean = logits.double().softmax(-1).mean(0)[0]
    assert torch.allclose(shares.double(), (torch.tensor([2.0, 1.0, 0.0]) + mean) / 4, atol=1e-6)


def test_unknown_rules_and_temperatures_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="no rule is called 'median'"):
        RuleModel([], "median")
    for temperature in (0.0, 1.0, float("nan")):
        with pytest.raises(UsageError, match="the temperature is"):
            SmoothMax([], temperature)


def test_the_network_of_mean_returns_the_log_mean_probability() -> None:
    logits = 3 * torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0))
    found = RuleModel(members_of(logits), "mean")(nothing_for(logits))
    assert torch.allclose(found.exp(), logits.softmax(-1).mean(0), atol=1e-6)


@every
def test_a_device_without_float64_gives_the_same_labels_logits_and_gradients(rule: str, no_float64: torch.device) -> None:
    logits = torch.randint(-3, 4, (5, 40, 3), generator=torch.Generator().manual_seed(0)).float()  # with ties
    labels = RULES[rule](logits.to(no_float64))
    assert labels.device == no_float64 and torch.equal(labels.cpu(), RULES[rule](logits))
    here, there = RuleModel(members_of(logits), rule), RuleModel(members_of(logits), rule).to(no_float64)
    images = nothing_for(logits)
    expected, found = here(images), there(images.to(no_float64))
    assert found.device == no_float64 and torch.equal(found.detach().cpu(), expected.detach())
    for network in (here, there):
        network(images).square().sum().backward()
    for one, other in zip(here.parameters(), there.parameters(), strict=True):
        assert torch.equal(other.grad.cpu(), one.grad)
