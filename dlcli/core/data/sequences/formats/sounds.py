"""Folders of sounds, .wav files in a folder per class, or with labels.csv."""

from collections.abc import Sequence
from pathlib import Path

from dlcli.core.data.base import Steps
from dlcli.core.data.file_kinds import SOUNDS
from dlcli.core.data.sequences.base import Floats, Found, SequenceOptions
from dlcli.core.data.sequences.folders import holds, listed, sequences_of
from dlcli.core.data.sequences.sound_files import mono, read_sound, resampled
from dlcli.support.errors import InputError
from dlcli.support.plural import count

DESCRIPTION = "a folder of .wav (a folder per class)"
PRECEDENCE = 1


def claims(spec: str) -> bool:
    """Whether `spec` is a .wav, or a folder with some."""
    return holds(SOUNDS, spec)


def read(spec: str, options: SequenceOptions) -> Found:
    """Read the sounds as one channel each, at one rate."""
    rates: dict[int, list[Path]] = {}
    several: list[Path] = []

    def sounds(paths: Sequence[Path]) -> list[Floats]:
        return [_sound(path, options, rates, several) for path in paths]

    sets = sequences_of(listed(spec, SOUNDS, options), sounds)
    if several:
        report = f"{spec}: {count(len(several), 'sound')} with several channels, of which the mean is taken: {several[0]}"
        options.report.note(report + (" ..." if len(several) > 1 else ""))
    return Found(sets, Steps(rate=float(options.rate or next(iter(rates)))))


def _sound(path: Path, options: SequenceOptions, rates: dict[int, list[Path]], several: list[Path]) -> Floats:
    samples, rate = read_sound(path)
    rates.setdefault(rate, []).append(path)
    if options.rate is None and len(rates) > 1:
        first = next(iter(rates))
        message = f"{path}: has {count(rate, 'sample')} per second, and {rates[first][0]} has {first:,}"
        raise InputError(message, hint=f"convert all to one rate with `rate={min(rates)}`")
    if len(samples) > 1:
        several.append(path)
    return resampled(mono(samples), rate, options.rate or rate)
