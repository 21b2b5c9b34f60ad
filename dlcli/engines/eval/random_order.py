"""Evaluates examples in random order until the gate is decided or the time is over."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlcli.core.data.base import Split
from dlcli.core.evaluation.metrics import ranking
from dlcli.engines.anytime import Watch, parts, random_order
from dlcli.engines.model_and_data import LoadedModel
from dlcli.specs.anytime import Stopped
from dlcli.specs.eval import EvalConfig, class_figure
from dlcli.specs.gate import gate

METRIC = "top-1"
"""The figure whose gate can be decided before the end."""


class Evaluated(NamedTuple):
    """The network with the examples that were evaluated, their logits (m, outputs), and where the run stopped."""

    loaded: LoadedModel
    logits: Tensor
    stopped: Stopped


def eval_until_sure(config: EvalConfig, loaded: LoadedModel) -> Evaluated:
    """Predict examples of `config.split` in random order until the run may stop.

    Args:
        config: A `fail_under` of top-1 is decided on the way; of another figure it waits for the end.
        loaded: The network and all examples.

    Returns:
        The examples that were predicted, in the order of the data.
    """
    split, wanted = loaded.split(config.split), gate(config.fail_under)
    wanted = wanted if wanted is not None and class_figure(wanted.metric) == METRIC else None
    by_group = config.group is not None
    watch = Watch(len(split.y), METRIC, wanted, config.stop_when_sure, config.time_limit, by_group)
    order = random_order(len(split.y), config.seed)
    taken, found = [], []
    for part in parts(len(order)):
        taken.append(order[part])
        found.append(loaded.logits(split.x[torch.from_numpy(taken[-1])]))
        watch.add(ranking(found[-1].numpy(), 1)[:, 0] == split.y.numpy()[taken[-1]])
        if watch.over:
            break
    numbers = np.concatenate(taken)
    back = np.argsort(numbers)
    whole, picked = loaded.data.splits[config.split], numbers[back]
    metadata = {name: column[picked] for name, column in whole.metadata.items()}
    some = Split(whole.x[torch.from_numpy(picked)], whole.y[torch.from_numpy(picked)], metadata)
    data = loaded.data.with_splits({**loaded.data.splits, config.split: some})
    return Evaluated(replace(loaded, data=data, limit=None), torch.cat(found)[torch.from_numpy(back)], watch.stopped())
