"""The rules by which members decide together."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlcli.core.combine import RULES

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
def test_copies_of_one_member_decide_as_it_does(rule: str, logits: Tensor, copies: int) -> None:
    single = logits[:1]
    assert torch.equal(RULES[rule](single.expand(copies, -1, -1)), single[0].argmax(-1))


@pytest.mark.parametrize("rule", ["max", "vote"])
@settings(max_examples=100, deadline=None)
@given(logits=stacked_logits())
def test_max_and_vote_answer_as_some_member_does(rule: str, logits: Tensor) -> None:
    # So their accuracy is at most that of an oracle which picks a member that is right.
    assert bool((logits.argmax(-1) == RULES[rule](logits)).any(0).all())


@settings(max_examples=100, deadline=None)
@given(logits=stacked_logits(classes=2))
def test_with_two_classes_mean_answers_as_some_member_does(logits: Tensor) -> None:
    assert bool((logits.argmax(-1) == RULES["mean"](logits)).any(0).all())


def test_with_three_classes_mean_may_answer_as_no_member_does() -> None:
    logits = torch.tensor([[[0.51, 0.0, 0.49]], [[0.0, 0.51, 0.49]]]).clamp(min=1e-9).log()
    assert RULES["mean"](logits).tolist() == [2]
    assert RULES["max"](logits).tolist() == RULES["vote"](logits).tolist() == [0]


@settings(max_examples=100, deadline=None)
@given(logits=stacked_logits())
def test_the_rules_are_those_a_loop_would_follow(logits: Tensor) -> None:
    for k in range(logits.shape[1]):
        p = logits[:, k].double().softmax(-1)
        assert float(p.mean(0)[RULES["mean"](logits)[k]]) >= float(p.mean(0).max()) - 1e-12
        assert float(p[:, RULES["max"](logits)[k]].max()) >= float(p.max()) - 1e-12
        counts = torch.bincount(logits[:, k].argmax(-1), minlength=logits.shape[-1])
        assert counts[RULES["vote"](logits)[k]] == counts.max()


def test_max_tells_members_apart_whose_probabilities_both_round_to_1() -> None:
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


def test_a_majority_beats_one_sure_member() -> None:
    logits = torch.tensor([[[0.1, 0.0]], [[0.1, 0.0]], [[0.0, 50.0]]])
    assert {name: decide(logits).tolist() for name, decide in RULES.items()} == {"vote": [0], "mean": [1], "max": [1]}


@every
def test_what_is_tied_goes_to_the_lowest_label_in_any_order(rule: str) -> None:
    # Both classes get the same three probabilities and their complements; floats added up in another order would differ.
    rows = [[0.1, 0.0], [0.2, 0.0], [0.7, 0.0], [0.0, 0.1], [0.0, 0.2], [0.0, 0.7]]
    for order in itertools.permutations(rows):
        assert RULES[rule](torch.tensor(order).unsqueeze(1)).tolist() == [0]
