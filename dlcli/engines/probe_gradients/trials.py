"""Trains the network with each suggested surgery and without, in pairs of seeds: `dlcli probe-gradients --try`."""

from collections.abc import Sequence
from dataclasses import replace

from dlcli.core.model_io.score_metadata import task_of
from dlcli.engines.model_and_data import recorded_column
from dlcli.engines.train.surgeries import compare_surgeries
from dlcli.specs.probe_gradients import ProbeGradientsConfig, ProbeGradientsResult, Trial
from dlcli.specs.train import IMAGES, TrainConfig
from dlcli.specs.training_options import SEEDS
from dlcli.specs.variant import with_field
from dlcli.support.reporter import Reporter


def with_trials(
    result: ProbeGradientsResult,
    config: ProbeGradientsConfig,
    *,
    spec: str,
    task: str,
    group: str | None,
    report: Reporter,
) -> ProbeGradientsResult:
    """The result with the trials of all surgeries that its causes suggest, or a note that there is none.

    Args:
        result: The result, with its causes.
        config: Names the data, the image size and the surgery of the probed network, and the number of seeds.
        spec: Name of the network for `dlcli train`.
        task: What it learned.
        group: The column that it was trained by.
        report: Receives the progress.

    Raises:
        DlcliError: What training raises.
    """
    surgeries = tuple(dict.fromkeys(surgery for cause in result.causes for surgery in cause.surgeries))
    if not surgeries:
        return replace(result, notes=("No surgery is suggested, so there is none to try.", *result.notes))
    return replace(result, trials=_trials(config, surgeries, spec=spec, task=task, group=group, report=report))


def _trials(
    config: ProbeGradientsConfig, surgeries: Sequence[str], *, spec: str, task: str, group: str | None, report: Reporter
) -> tuple[Trial, ...]:
    """A trial of each surgery of which at least two pairs were trained."""
    training = TrainConfig(
        data=config.data,
        task=task,
        group=group,
        size=config.size,
        limit=config.limit,
        label_column=config.label_column or recorded_column(config.data, task_of(config.model)),
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
