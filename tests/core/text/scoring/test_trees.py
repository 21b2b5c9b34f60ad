import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from dlcli.core.text.scoring.trees import from_scikit_learn, trees_from_dict, trees_to_dict


@pytest.mark.parametrize("leaves", [2, 8, 9, 40])
def test_the_sum_is_what_scikit_learn_gives(leaves):
    rng = np.random.default_rng(leaves)
    x = (rng.integers(0, 40, (3_000, 5)) / 4).astype(np.float32)
    y = (x[:, 0] * x[:, 1] + 4 * x[:, 2] + rng.normal(0, 3, len(x)) > 40).astype(int)
    x[rng.random(x.shape) < 0.1] = np.nan
    peer = HistGradientBoostingClassifier(max_iter=6, max_leaf_nodes=leaves, min_samples_leaf=5, random_state=0).fit(x, y)
    trees = from_scikit_learn(peer)
    np.testing.assert_allclose(trees.sum(x), peer.decision_function(x), atol=1e-9)
    np.testing.assert_allclose(trees_from_dict(trees_to_dict(trees)).sum(x), trees.sum(x), atol=1e-4)


def test_each_row_has_its_sum_whatever_other_rows_there_are():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 3)).astype(np.float32)
    trees = from_scikit_learn(HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(x[:500], x[:500, 0] > 0))
    some = np.array([0, 1, 16_383, 16_384, 19_999])
    np.testing.assert_array_equal(trees.sum(x)[some], [trees.sum(x[[row]])[0] for row in some])
    assert trees.sum(x[:0]).shape == (0,)
