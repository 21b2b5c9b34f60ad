"""The score of a pair of a table whose texts have vectors of a sentence model.

The cosine of a sentence model knows what texts mean, and hardly sees what tells two models of a product or two dates apart; the
features of `features` see little else. Logistic regression on both, fitted by `examples/fit_sentence_score.py`, weighs them.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.scoring.arrays import Floats
from dlcli.core.text.scoring.crowding import Crowding, crowding_from_dict
from dlcli.core.text.scoring.features import NAMES

FILE = "sentence_score.json"
VETOES = ("numbers_swapped", "codes_share", "negation_differs", "opposite", "exchanged")
"""The features that count beside the log-odds of all of them: what contradicts a duplicate. No sentence model sees it."""
_PLACES = [NAMES.index(name) for name in VETOES]
_SAMPLED = 300


@dataclass(frozen=True)
class SentenceScore:
    """The fitted weights.

    Attributes:
        intercept: Constant.
        lexical: Weight of the log-odds without the sentence model.
        cosine: Weight of the cosine above chance.
        vetoes: Weight of each feature of `VETOES`.
        crowding: As that of `PairScore`.
        precision_error: As that of `PairScore`.
    """

    intercept: float
    lexical: float
    cosine: float
    vetoes: tuple[float, ...]
    crowding: Crowding
    precision_error: tuple[float, float]

    def log_odds(self, lexical: Floats, above_chance: Floats, features: NDArray[np.float32]) -> Floats:
        """The log-odds of each pair.

        Args:
            lexical: Its log-odds without the sentence model, (pairs,).
            above_chance: The cosine above chance, (pairs,), see `cosine_above_chance`.
            features: Its features, (pairs, k), columns as in `FEATURES`.

        Returns:
            The log-odds, (pairs,).
        """
        seen = self.intercept + self.lexical * lexical + self.cosine * above_chance
        return np.asarray(seen + vetoed(features, self.vetoes))


def vetoed(features: NDArray[np.float32], weights: tuple[float, ...]) -> Floats:
    """What the features of `VETOES` add to the log-odds of each pair, (pairs, k) -> (pairs,)."""
    return np.asarray(features[:, _PLACES].astype(np.float64) @ np.array(weights))


@cache
def sentence_score() -> SentenceScore:
    """The weights shipped with dlcli; read once."""
    card = json.loads((files("dlcli.core.text.scoring") / FILE).read_text(encoding="utf-8"))
    low, high = map(float, card["precision_error"])
    vetoes = tuple(float(card["vetoes"][name]) for name in VETOES)
    intercept, lexical, cosine = (float(card[name]) for name in ("intercept", "lexical", "cosine"))
    return SentenceScore(intercept, lexical, cosine, vetoes, crowding_from_dict(card["crowding"]), (low, high))


def chance_cosine(vectors: NDArray[np.floating]) -> float:
    """The mean cosine of any two texts of a table, or of 300 of them.

    Args:
        vectors: The vectors of the texts, unit rows in an order that does not depend on that of the table's rows.

    Returns:
        The cosine, 0 for fewer than two texts.
    """
    some = vectors[:: max(1, -(-len(vectors) // _SAMPLED))].astype(np.float64)
    n = len(some)
    total = some.sum(axis=0)
    # The sum over all pairs is the squared length of the sum of all rows, which counts each pair twice and each row itself.
    return float((total @ total - (some * some).sum()) / max(1, n * (n - 1)))


def cosine_above_chance(cosine: NDArray[np.floating], chance: float) -> Floats:
    """Cosines as a share of what is possible above chance: 0 for the mean of any two texts, 1 for equal texts.

    Some models give any two texts a cosine of 0.1 and others one of 0.8, and texts on one subject are closer than others. So
    chance is that of the table at hand, as Cohen's kappa (1960) corrects agreement for chance.

    Args:
        cosine: The cosines of the pairs, (pairs,).
        chance: See `chance_cosine`.

    Returns:
        (cosine - chance) / (1 - chance), (pairs,).
    """
    return np.asarray((cosine.astype(np.float64) - chance) / max(1e-6, 1 - chance))
