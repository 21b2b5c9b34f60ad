"""Trees as arrays say what scikit-learn's say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier

from dlcli.core.pairs.boosted_trees import fit_trees, from_sklearn, load_trees


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 30), st.floats(0.01, 1))
def test_probabilities_are_scikit_learns(seed: int, depth: int, trees: int, rate: float):
    random = np.random.default_rng(seed)
    # Few distinct values, so that features often equal a threshold; and values that float32 rounds.
    x = np.column_stack([random.integers(0, 4, (200, 2)), random.random((200, 3))])
    y = random.random(200) < 0.4
    y[:2] = True, False
    peer = GradientBoostingClassifier(n_estimators=trees, max_depth=depth, learning_rate=rate, random_state=0).fit(x, y)
    other = np.column_stack([random.integers(0, 4, (300, 2)), random.random((300, 3))])
    log_odds = from_sklearn(peer).log_odds(other)
    np.testing.assert_allclose(1 / (1 + np.exp(-log_odds)), peer.predict_proba(other)[:, 1], rtol=0, atol=1e-9)


def test_they_are_kept_in_arrays():
    random = np.random.default_rng(0)
    x, y = random.random((300, 4)), random.random(300) < 0.5
    trees = fit_trees(x, y, trees=10, depth=3, learning_rate=0.1, seed=0)
    arrays = trees.arrays()
    assert all(isinstance(array, np.ndarray) and array.dtype != object for array in arrays.values())
    np.testing.assert_array_equal(load_trees(arrays).log_odds(x), trees.log_odds(x))
    again = fit_trees(x, y, trees=10, depth=3, learning_rate=0.1, seed=0)
    np.testing.assert_array_equal(again.log_odds(x), trees.log_odds(x))
    with pytest.raises(KeyError):
        load_trees({name: array for name, array in arrays.items() if name != "roots"})


def test_no_rows_and_rows_beyond_a_block():
    random = np.random.default_rng(0)
    x, y = random.random((200, 2)), random.random(200) < 0.5
    trees = fit_trees(x, y, trees=3, depth=2, learning_rate=0.1, seed=0)
    assert trees.log_odds(np.empty((0, 2))).shape == (0,)
    many = np.tile(x, (50, 1))
    np.testing.assert_array_equal(trees.log_odds(many), np.tile(trees.log_odds(x), 50))
