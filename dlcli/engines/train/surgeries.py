"""Compares a network with what several surgeries make of it, each trained from the same seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from dlcli.core.compute.device import choose_device
from dlcli.core.tasks import task_for
from dlcli.engines.train.sides import open_sets, open_sides, plan_sides, seeds_of
from dlcli.engines.train.versus import compare_with_first, train_paired
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import GIVEN, Comparison
from dlcli.support.reporter import Reporter


class ComparedSurgeries(NamedTuple):
    """The comparisons by surgery, of it minus the network as it is, and the number of test examples.

    A surgery is missing where an interruption left fewer than two pairs.
    """

    comparisons: Mapping[str, Comparison]
    n_test: int


def compare_surgeries(config: TrainConfig, surgeries: Sequence[str], report: Reporter) -> ComparedSurgeries:
    """Train a network as it is and after each of several surgeries, and compare each of these with it in pairs of seeds.

    The network as it is is trained once for all. The primary metric of the task is tested by Holm for the number of surgeries.

    Args:
        config: The training, with the number of seeds and `versus`, which names any one of the surgeries.
        surgeries: Each is applied after those of `config`.
        report: Receives the progress.

    Returns:
        The comparisons.

    Raises:
        DlcliError: What opening the data and training raise.
    """
    device = choose_device(config.device)
    arms = {one: replace(config, surgery=(*config.surgery, one), versus=None, seeds=None) for one in surgeries}
    sides = open_sides(config, open_sets(config, report), device, {GIVEN: config, **arms})
    found = train_paired(sides, seeds_of(config), processes=plan_sides(config, sides), report=report)
    compared = compare_with_first(task_for(config), [one.row for one in found], (GIVEN, *surgeries))
    return ComparedSurgeries(compared, len(next(iter(sides.jobs.values())).data.x_test))
