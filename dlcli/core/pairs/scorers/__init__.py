"""Learned scores of a pair of texts, one module an entry, usable as `dlcli train PAIRS.csv --task pairs --model NAME`.

An entry has `SCORER`, a frozen dataclass of settings with `fit(train, dev, seed) -> PairScorer`, and `read(card, arrays) ->
Model`, which gives back what the model of such a scorer was. Both are described in `base`.
"""

from dlcli.support.registry import Registry

SCORERS = Registry("scorer of pairs", __name__)
