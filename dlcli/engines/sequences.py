"""Sequences for `dlcli eval` and `dlcli predict`, read as those that the network was trained on."""

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from dlcli.core.compute.padding import lengths_of
from dlcli.core.data.base import ImageData
from dlcli.core.data.groups import load_by_group
from dlcli.core.data.sequences import claims_sequences, open_sequences
from dlcli.core.data.sequences.base import SequenceOptions
from dlcli.core.model_io.ensemble_dir import is_ensemble, member_folder
from dlcli.core.model_io.run_dir import read_run_metadata
from dlcli.core.model_io.score_metadata import RunTask
from dlcli.core.models import takes_sequences
from dlcli.engines.sound_stream import head_of, streamed_sound
from dlcli.specs.model_and_data import ModelAndDataOptions
from dlcli.specs.sequences import check_no_sequences, check_of_sequences
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter


def of_sequences(config: ModelAndDataOptions, task: RunTask) -> bool:
    """Whether a network is one of sequences: by its run directory, by its name, or by what it is used on.

    Raises UsageError if an option does not apply.
    """
    named = takes_sequences(config.arch or "") or getattr(config, "prove_causal", False)
    if task.sequences is None and not named and not (config.arch is not None and claims_sequences(config.data)):
        check_no_sequences(config, "a network of sequences")
        return False
    check_of_sequences(config, "a network of sequences")
    return True


def read_sequences(config: ModelAndDataOptions, task: RunTask, report: Reporter, *, unlabelled: bool = False) -> ImageData:
    """Open the sequences of `config`, with the rate and the characters that the network was trained with.

    Args:
        config: The data and the network.
        task: What its run directory records.
        report: Receives notes and warnings.
        unlabelled: Take every sequence, of `config.split` if it names a set.

    Raises:
        InputError: If they cannot be used, or have other channels than those of the training.
    """
    saved = task.sequences
    if unlabelled and config.rate is None and (sound := streamed_sound(config.model, config.data)) is not None:
        return head_of(sound, config.data)
    objective = None if saved is None else saved.next
    optional = any(getattr(config, name, False) for name in ("summary", "prove_causal"))
    recorded = None if saved is None or saved.rate is None else round(saved.rate)
    if None not in (config.rate, recorded) and config.rate != recorded:
        raise UsageError(
            f"`rate={config.rate}`: {config.model} was trained at {recorded:,} samples per second",
            hint="omit `rate`, and sounds are converted to that rate",
        )

    def load(group: str | None) -> ImageData:
        options = SequenceOptions(
            strict=config.strict,
            report=report,
            unlabelled=unlabelled,
            split=config.split,
            labels=False if objective is not None else None if optional else True,
            steps=saved.cut if saved is not None and not unlabelled else None,
            label_column=config.label_column or (saved.column if saved is not None else None),
            group=group,
            rate=config.rate or recorded,
            pad=config.pad,
            symbols=saved.symbols if saved is not None else (),
            channels=saved.channels if saved is not None else (),
        )
        return open_sequences(config.data, options)

    data = load(None) if unlabelled else load_by_group(load, task.group, report)
    check_rate(config.rate, data)
    if saved is not None and config.model is not None:
        _check_channels(config.model, data)
    if objective is None:
        return data
    return replace(data, classes=objective.outputs, steps=replace(data.steps, predicted=True))


def longest_sequence(data: ImageData) -> Tensor:
    """The longest sequence of the test set, (1, channels, t), or of the training set where there is no test set.

    Raises InputError if it has a single step.
    """
    x = data.x_test if len(data.x_test) else data.x_train
    lengths = lengths_of(x)
    k = int(lengths.argmax())
    if int(lengths[k]) < 2:
        raise InputError(f"{data.name}: has no sequence of two steps", hint="choose another `data`")
    return x[k : k + 1, :, : int(lengths[k])]


def check_rate(rate: int | None, data: ImageData) -> None:
    """Raise UsageError if `rate` is given for data that have none."""
    if rate is not None and data.steps.rate is None:
        raise UsageError(f"`rate` is of sounds, and {data.name} holds none", hint="omit `rate`")


def _check_channels(model: str, data: ImageData) -> None:
    path = Path(model)
    channels = read_run_metadata(member_folder(path, 0) if is_ensemble(path) else path)["channels"]
    if channels != data.channels:
        has = f"its sequences have {count(data.channels, 'channel')}, and those that {model} was trained on had {channels}"
        raise InputError(f"{data.name}: {has}", hint="choose another `data`")
