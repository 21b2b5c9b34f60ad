"""Trains the network with each suggested surgery and without, in pairs of seeds: `dlcli probe-gradients --try`."""

from collections.abc import Sequence
from dataclasses import replace

from dlcli.engines.train.surgeries import compare_surgeries
from dlcli.specs.probe_gradients import ProbeGradientsConfig, Trial
from dlcli.specs.train import IMAGES, TrainConfig
from dlcli.specs.training_options import SEEDS
from dlcli.specs.variant import with_field
from dlcli.support.reporter import Reporter


def try_surgeries(
    config: ProbeGradientsConfig, surgeries: Sequence[str], *, spec: str, task: str, report: Reporter
) -> tuple[Trial, ...]:
    """Train the network with each surgery and without, and compare test accuracy, or that of the task, in pairs.

    Args:
        config: Names the data, the image size and the surgery of the probed network, and the number of seeds.
        surgeries: Those that were suggested, each once.
        spec: Name of the network for `dlcli train`.
        task: What it learned.
        report: Receives the progress.

    Returns:
        A trial for each surgery of which at least two pairs were trained.

    Raises:
        DlcliError: What training raises.
    """
    if not surgeries:
        return ()
    training = TrainConfig(
        data=config.data,
        task=task,
        size=config.size,
        limit=config.limit,
        label_column=config.label_column,
        strict=config.strict,
        model=spec,
        normalise=config.normalise,
        surgery=config.surgery,
        trust_code=config.trust_code,
        seed=config.seed,
        device=config.device,
    )
    named = with_field(training, "", "surgery", surgeries[0])
    training = replace(training, versus=named, seeds=config.seeds or SEEDS)
    found = compare_surgeries(training, surgeries, report)
    scale = "points" if task == IMAGES else ""
    return tuple(
        Trial(
            surgery=name,
            metric=one.metric,
            scale=scale,
            without=one.second,
            with_it=one.first,
            difference=one.difference,
            p=one.p,
            verdict=one.verdict,
            n_test=found.n_test,
        )
        for name, one in found.comparisons.items()
    )
