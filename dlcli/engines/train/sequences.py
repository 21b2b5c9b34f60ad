"""The sequences that `dlcli train` learns from."""

from dataclasses import replace

from dlcli.core.data.base import ImageData, check_trainable
from dlcli.core.data.resize import check_limit
from dlcli.core.data.sequences import open_sequences
from dlcli.core.data.sequences.base import SequenceOptions
from dlcli.core.training.next_step import check_predictable
from dlcli.engines.sequences import check_rate
from dlcli.specs.train import TrainConfig
from dlcli.support.reporter import Reporter


def open_training_sequences(config: TrainConfig, report: Reporter) -> ImageData:
    """The sequences of `config.data`.

    Raises UsageError if `rate` does not apply to them, and InputError if there is nothing to train on.
    """
    data = open_sequences(
        config.data,
        SequenceOptions(
            strict=config.strict,
            report=report,
            limit=config.limit,
            label_column=config.label_column,
            group=config.group,
            rate=config.rate,
            pad=config.pad,
            labels=not config.next,
            steps=config.steps,
        ),
    )
    check_rate(config.rate, data)
    if not config.next:
        check_limit(data, config.limit)
        check_trainable(data)
        return data
    check_predictable(data.name, data.x_train)
    return replace(data, classes=(), steps=replace(data.steps, predicted=True))
