"""Suspected labels beside cleanlab, which is skipped where it is not installed."""

import numpy as np
import pytest

from dlcli.core.evaluation.label_errors import label_errors, margins

pytestmark = pytest.mark.peers
cleanlab = pytest.importorskip("cleanlab", reason="install with: pip install --no-deps cleanlab termcolor")


def noisy(seed: int, n: int = 2000, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a fair network, and labels of which a twentieth are flipped."""
    source = np.random.default_rng(seed)
    truth = source.integers(0, k, n)
    logits = source.normal(size=(n, k)) + 4 * np.eye(k)[truth]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    flipped = source.random(n) < 0.05
    return p, np.where(flipped, (truth + source.integers(1, k, n)) % k, truth)


@pytest.mark.parametrize("seed", range(3))
def test_suspects_ranks_and_the_estimate_are_those_of_cleanlab(seed: int):
    from cleanlab.count import compute_confident_joint, estimate_joint
    from cleanlab.rank import get_label_quality_scores

    p, y = noisy(seed)
    found = label_errors(p, y)
    joint, indices = compute_confident_joint(y, p, return_indices_of_off_diagonals=True, calibrate=False)
    assert set(found.indices) == {k for k in indices if p[k].argmax() != y[k]}
    share = estimate_joint(y, p, confident_joint=joint)
    assert found.estimated == pytest.approx(len(y) * (share.sum() - np.trace(share)), abs=5)  # which rounds to whole examples
    scores = get_label_quality_scores(y, p, method="normalized_margin")
    assert margins(p, y) == pytest.approx(2 * scores - 1)
