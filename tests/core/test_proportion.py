"""The interval of a proportion against scipy's score interval and limits of a Poisson variable, and its exact coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as peer

from dlcli.core.proportion import effective_share, independent_examples, proportion, selected_share
from dlcli.specs.estimates import Estimate

CASES = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(CASES)
def test_it_is_the_score_interval_but_for_one_to_three_successes_or_errors(case):
    successes, n = case
    found, score = proportion(successes, n), peer.binomtest(successes, n).proportion_ci(method="wilson")
    assert (found.value, found.n) == (successes / n, n)
    low = peer.chi2.ppf(0.05, 2 * successes) / (2 * n) if 1 <= successes <= 3 else score.low
    errors = n - successes
    high = 1 - peer.chi2.ppf(0.05, 2 * errors) / (2 * n) if 1 <= errors <= 3 else score.high
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))
    assert found.low <= score.low + 1e-12 and found.high >= score.high - 1e-12


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (1, 0), (-1, 3), (4, 3), (float("nan"), 3)])
def test_impossible_counts_are_refused(successes, n):
    with pytest.raises(ValueError, match="successes of"):
        proportion(successes, n)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.floats(0, n), st.just(n))))
def test_the_interval_of_fractional_successes_lies_between_those_of_whole_ones(case):
    successes, n = case
    below, found, above = (proportion(one, n) for one in (np.floor(successes), successes, np.ceil(successes)))
    assert below.low - 1e-9 <= found.low <= above.low + 1e-9
    assert below.high - 1e-9 <= found.high <= above.high + 1e-9


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.integers(1, 400))
def test_effective_examples_have_the_interval_of_as_many(case, effective):
    successes, n = case
    found, expected = effective_share(successes, n, effective), proportion(successes / n * effective, effective)
    assert (found.value, found.n) == (successes / n, n)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    nothing = effective_share(successes, n, 0)
    assert (nothing.low, nothing.high) == (0, 1)


@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from([1, 2, 10, 100]))
def test_a_selected_share_has_the_exact_interval_of_all(hits, more, among):
    """Clopper and Pearson by scipy, at the level of one of `among` tests."""
    share = proportion(hits, hits + more)
    found = selected_share(share, among)
    expected = peer.binomtest(hits, hits + more).proportion_ci(1 - 0.05 / among, method="exact")
    assert found.low == pytest.approx(min(expected.low, share.low), abs=1e-9)
    assert found.high == pytest.approx(max(expected.high, share.high), abs=1e-9)
    assert (found.value, found.n) == (share.value, share.n)


@given(st.integers(1, 5000), st.floats(0, 1), st.floats(1, 5000))
def test_the_independent_examples_of_a_share_are_found_again(n, share, effective):
    assert independent_examples(proportion(share * n, n)) == pytest.approx(n, rel=1e-4)
    assert independent_examples(effective_share(share * n, n, effective)) == pytest.approx(effective, rel=1e-4)
    assert independent_examples(Estimate(share, share, share, n)) is None
    assert independent_examples(effective_share(share * n, n, 0)) == 0


def coverage(n, shares):
    """The exact coverage at some true shares, by the binomial distribution."""
    hits = np.arange(n + 1)
    found = [proportion(int(k), n) for k in hits]
    low, high = (np.array([getattr(one, end) for one in found])[:, None] for end in ("low", "high"))
    return (peer.binom.pmf(hits[:, None], n, shares) * ((low <= shares) & (shares <= high))).sum(0)


@pytest.mark.parametrize(
    ("n", "least"), [(1, 0.915), (2, 0.915), (5, 0.915), (10, 0.915), (30, 0.915), (50, 0.926), (500, 0.926)]
)
def test_it_covers_the_truth_whatever_it_is(n, least):
    assert coverage(n, np.linspace(0, 1, 3001)).min() >= least


@pytest.mark.parametrize("n", [100, 200, 1000])
def test_with_twenty_errors_expected_it_covers_the_truth_in_93_to_97_percent(n):
    found = coverage(n, 1 - np.linspace(20 / n, 0.5, 2000))
    assert 0.93 <= found.min() and found.max() <= 0.97 + 5e-4


@pytest.mark.parametrize(("errors", "possible"), [(0.1, False), (0.2, False), (0.5, False), (3, True), (10, True)])
def test_with_few_errors_expected_no_interval_covers_between_93_and_97_percent(errors, possible):
    """Whatever rule there is, the samples that hold the truth are those with numbers of errors from one to another."""
    below = np.append(0, peer.binom.cdf(np.arange(60), 1000, errors / 1000))
    attainable = below[None, :] - below[:, None]
    assert ((attainable >= 0.93) & (attainable <= 0.97)).any() == possible
