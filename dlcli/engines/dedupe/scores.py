"""Scores of candidate pairs, and the threshold from which on a pair is a duplicate."""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.distinct import Distinct
from dlcli.core.text.scoring.crowding import RAISED, Crowding, others
from dlcli.core.text.scoring.operating_point import OperatingPoint, choose_by_probability, choose_threshold
from dlcli.core.text.scoring.pair_score import built_in, built_in_threshold_counts
from dlcli.core.text.scoring.rarity import TableWords, count_words
from dlcli.core.text.scoring.scored_pairs import ScoredPairs
from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.scoring.sentence_score import sentence_score
from dlcli.core.text.scoring.third_rows import with_third_rows
from dlcli.core.text.search.blocks import comparable_texts
from dlcli.core.text.strict import spell_out
from dlcli.core.text.vectors import vectors_are_scored
from dlcli.core.text.vectors.devices import check_device, device_use
from dlcli.specs.dedupe import THRESHOLD, THRESHOLD_ALONE, DedupeConfig
from dlcli.specs.estimates import Estimate

_COUNTED = 20_000
"""Texts of a table whose words are counted."""


class ResolvedThreshold(NamedTuple):
    """The configuration with its threshold, and the precision there if the option `precision` chose that."""

    config: DedupeConfig
    precision: Estimate | None


def scores_alone(config: DedupeConfig) -> bool:
    """Whether the score of a pair depends on its two texts alone, and not on the table that they are in.

    A fitted model knows no table, the rows of an index come in several tables, and two columns are pairs already.
    """
    return config.model is not None or config.index is not None or bool(config.pair_columns)


def crowding(config: DedupeConfig) -> Crowding | None:
    """How the other pairs of the table count for a pair; None if they do not, since pairs are scored alone."""
    if scores_alone(config):
        return None
    return sentence_score().crowding if vectors_are_scored(config.vectors) else built_in().crowding


def corrected(
    config: DedupeConfig, scored: ScoredPairs, rows: NDArray[np.int64], earlier: NDArray[np.bool_] | None = None
) -> ScoredPairs:
    """The candidates of a table with what the other ones tell of each.

    Args:
        config: Gives the vectors.
        scored: The candidates.
        rows: The number of rows of each text, (texts,), of both tables if there are two.
        earlier: Which of them are of another table, (texts,). Those are not compared with one another, so it is not known which
            of them are alone: no pair with one is raised.

    Returns:
        The candidates with corrected probabilities.
    """
    how = crowding(config)
    if how is None:
        return scored
    found = others(scored.pairs, scored.probability, len(rows))
    traits = how.traits(scored.pairs, scored.probability, found, len(rows))
    across = None if earlier is None else earlier[scored.pairs.first] | earlier[scored.pairs.second]
    probability = how.corrected(scored.probability, found, traits, across)
    return ScoredPairs(scored.pairs, with_third_rows(scored.pairs, probability, rows))


def corrected_sample(config: DedupeConfig, sample: ScoredPairs, scored: ScoredPairs, rows: NDArray[np.int64]) -> ScoredPairs:
    """The same for a sample of pairs that are no candidates.

    Args:
        config: Gives the vectors.
        sample: The pairs.
        scored: The candidates, as they were before they were corrected.
        rows: The number of rows of each text of the table, (texts,).

    Returns:
        The pairs with corrected probabilities.
    """
    how = crowding(config)
    if how is None:
        return sample
    told, found = (others(scored.pairs, scored.probability, len(rows), of) for of in (None, sample.pairs))
    traits = how.traits(scored.pairs, scored.probability, told, len(rows))
    known = scored.pairs, how.corrected(scored.probability, told, traits)
    probability = how.corrected(sample.probability, found, traits)
    return ScoredPairs(sample.pairs, with_third_rows(sample.pairs, probability, rows, known))


def lowest_counted(config: DedupeConfig, lowest: float) -> float:
    """The smallest probability, before it is corrected, of a pair that may have `lowest` then or counts for others."""
    return lowest if crowding(config) is None else min(RAISED, lowest)


def resolve_alone(config: DedupeConfig) -> ResolvedThreshold:
    """Choose the threshold that has the wanted `precision` on held-out pairs, if one is asked for and pairs are scored alone.

    Raises CheckFailedError if no threshold has it, and InputError if the run directory `model` has no counts of held-out pairs.
    """
    if config.precision is None or config.labelled is not None or not scores_alone(config):
        return ResolvedThreshold(config, None)
    counts, by = built_in_threshold_counts(), "the built-in score"
    if config.model is not None:
        from dlcli.core.pairs.saved import read_threshold_counts  # here, since most runs do not need it

        counts, by = read_threshold_counts(config.model), str(config.model)
    return _resolved(config, choose_threshold(counts, config.precision, by))


def resolve_in_table(config: DedupeConfig, scored: ScoredPairs) -> ResolvedThreshold:
    """Choose the threshold that has the wanted `precision` among the pairs of this table, if one is still asked for.

    It is estimated from the probabilities themselves. Raises CheckFailedError if no threshold has it.
    """
    if config.precision is None:
        return ResolvedThreshold(config, None)
    return _resolved(config, choose_by_probability(scored.probability, config.precision, precision_error(config)))


def precision_error(config: DedupeConfig) -> tuple[float, float]:
    """How far off the precision is that the probabilities in a table promise.

    Args:
        config: Gives the vectors.

    Returns:
        Bounds on the log-odds of the precision less those of the mean probability, for 95% of tables.
    """
    return sentence_score().precision_error if vectors_are_scored(config.vectors) else built_in().precision_error


def _resolved(config: DedupeConfig, point: OperatingPoint) -> ResolvedThreshold:
    return ResolvedThreshold(replace(config, precision=None, threshold=point.threshold), point.precision)


def precision_of(config: DedupeConfig) -> str:
    """What the precision is that of, after the figure."""
    if config.labelled is not None:
        return "by labelled pairs"
    return "on held-out pairs" if scores_alone(config) else "expected in this table"


def effective_threshold(config: DedupeConfig) -> float:
    """The smallest probability of a duplicate."""
    if config.threshold is not None:
        return config.threshold
    return THRESHOLD_ALONE if scores_alone(config) else THRESHOLD


def lowest_labelled(threshold: float) -> float:
    """The smallest probability of a pair to label: half the threshold, rounded down to 0.01."""
    return math.floor(threshold * 50) / 100


def describe_threshold(config: DedupeConfig, precision: Estimate | None) -> str:
    """A sentence for `plan`: from which probability on a pair is called a duplicate."""
    by = f"by {config.model or 'the built-in score'}"
    if config.labelled is not None:
        if config.precision is None:
            from_on = f"a probability of {effective_threshold(config):g} on, {by}, and estimate the precision"
        else:
            from_on = f"the probability on, {by}, that has a precision of {config.precision:g}"
        return f"call a pair duplicate from {from_on} by the labelled pairs of {config.labelled}"
    if config.precision is not None:
        return f"call a pair duplicate from the probability on that has a precision of {config.precision:g} in this table, {by}"
    worth = f" (precision {precision} on held-out pairs)" if precision else ""
    return f"call a pair duplicate from a probability of {effective_threshold(config):g} on{worth}, {by}"


def choose_scorer(config: DedupeConfig) -> Scorer:
    """The scorer of pairs, on `device`: that of the run directory `model`, or the built-in one.

    Raises what `load_scorer` raises, and what `check_device` raises if neither the scorer nor the vectors use the device.
    """
    scorer: Scorer
    if config.model is None:
        scorer = built_in()
    else:
        from dlcli.core.pairs.saved import load_scorer  # here, since most runs do not need it

        scorer = load_scorer(config.model).scorer.on_device(config.device)
    used = scorer.uses_device or not config.pair_columns and device_use(config.vectors) != ""
    what = "pairs are scored" if config.pair_columns else f"vectors of {config.vectors} are compared"
    check_device(config.device, used, what)
    return scorer


def table_words(config: DedupeConfig, texts: Distinct) -> TableWords | None:
    """How frequent words are in a table; None if that does not count.

    In a large table they are counted in every k-th text by key, which no order of rows changes. Where texts are compared within
    blocks, the table counts as large as the average block that a text is in, since only these texts may be duplicates of it.
    """
    if scores_alone(config):
        return None
    step = -(-len(texts) // _COUNTED)
    words = count_words(spell_out(texts.texts) if texts.strict else texts.texts, step=max(1, step))
    return words if texts.block is None else replace(words, size=comparable_texts(texts.block))
