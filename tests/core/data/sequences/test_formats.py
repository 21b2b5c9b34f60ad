"""The same sequences from every layout, and sounds as other libraries read them."""

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import wavfile
from scipy.signal import resample_poly

from dlcli.core.compute.padding import lengths_of
from dlcli.core.data.base import ImageData
from dlcli.core.data.sequences import open_sequences
from dlcli.core.data.sequences.base import SequenceOptions
from dlcli.core.data.sequences.sound_files import SoundStream, mono, read_sound
from dlcli.core.data.sources import digits
from tests.core.data.conftest import Listener
from tests.sequences import (
    text_folder,
    wav_folder,
    waves,
    write_csv,
    write_long,
    write_npz,
    write_ts,
    write_tsv,
    write_wav,
)


def opened(spec: Path | str, **options: Any) -> ImageData:
    return open_sequences(str(spec), SequenceOptions(**options))


def test_every_layout_gives_the_same_data(tmp_path: Path) -> None:
    values, labels = waves()
    specs: list[tuple[Path, dict[str, Any]]] = [
        (write_ts(tmp_path / "waves.ts", values, labels), {}),
        (write_tsv(tmp_path / "waves.tsv", values, labels), {}),
        (write_csv(tmp_path / "rows.csv", values, labels), {"pad": True}),
        (write_long(tmp_path / "steps.csv", values, labels), {}),
        (write_npz(tmp_path / "waves.npz", values, labels), {}),
    ]
    found = [opened(spec, **options) for spec, options in specs]
    assert {data.fingerprint for data in found} == {found[0].fingerprint}
    train = found[0].splits["train"]
    assert found[0].classes == ("fast", "slow") and found[0].unit == "sequence" and found[0].channels == 1
    everything = [*train.x, *found[0].x_test]
    lengths = [*lengths_of(train.x).tolist(), *lengths_of(found[0].x_test).tolist()]
    assert sorted(lengths) == sorted(one.shape[1] for one in values)
    assert sorted(float(one[0, 0]) for one in everything) == sorted(float(np.float32(one[0, 0])) for one in values)


@pytest.mark.parametrize("write", [write_ts, write_npz, write_long])
def test_channels(tmp_path: Path, write: Any) -> None:
    values, labels = waves(channels=3)
    suffix = {"write_ts": "ts", "write_npz": "npz", "write_long": "csv"}[write.__name__]
    data = opened(write(tmp_path / f"waves.{suffix}", values, labels))
    assert data.channels == 3
    held = {tuple(one[:, 0].tolist()) for one in [*data.x_train, *data.x_test]}
    assert held == {tuple(one[:, 0].astype(np.float32).tolist()) for one in values}


@pytest.mark.parametrize(("write", "suffix"), [(write_ts, "ts"), (write_tsv, "tsv"), (write_tsv, "csv")])
def test_official_sets(tmp_path: Path, write: Any, suffix: str) -> None:
    values, labels = waves(low=20, high=20)
    if suffix == "csv":
        write_csv(tmp_path / "Waves_TRAIN.csv", values[:16], labels[:16])
        write_csv(tmp_path / "Waves_TEST.csv", values[16:], labels[16:])
    else:
        write(tmp_path / f"Waves_TRAIN.{suffix}", values[:16], labels[:16])
        write(tmp_path / f"Waves_TEST.{suffix}", values[16:], labels[16:])
    for spec in (tmp_path / f"Waves_TRAIN.{suffix}", tmp_path / f"Waves_TEST.{suffix}", tmp_path):
        data = opened(spec)
        assert [len(data.y_train), len(data.y_test)] == [16, 8]
        assert data.x_test[:, 0, 0].tolist() == [np.float32(one[0, 0]) for one in values[16:]]
    unlabelled = opened(tmp_path / f"Waves_TEST.{suffix}", unlabelled=True)
    assert unlabelled.classes == () and len(unlabelled.x_test) == 8


def test_a_column_of_sets_and_one_of_groups(tmp_path: Path) -> None:
    values, labels = waves(low=20, high=20)
    sets = ["test" if k % 3 == 0 else "train" for k in range(24)]
    path = write_csv(tmp_path / "a.csv", values, labels, split=sets)
    data = opened(path)
    assert len(data.y_test) == 8 and data.size == (1, 20)
    people = [k // 4 for k in range(24)]  # numbers, which would be a value of each sequence without the option
    path = write_csv(tmp_path / "b.csv", values, labels, person=people)
    data = opened(path, group="person")
    assert data.size == (1, 20)
    sides = [set(data.splits[name].metadata["person"]) for name in ("train", "test")]
    assert not sides[0] & sides[1] and sides[0] | sides[1] == set(map(str, range(6)))


def test_images_are_read_row_by_row() -> None:
    data, images = opened("digits"), digits.load("digits")
    assert data.x_train.shape == (1198, 1, 64)
    assert torch.equal(data.x_test.reshape(-1, 1, 8, 8), images.x_test) and torch.equal(data.y_test, images.y_test)


def test_a_limit_keeps_every_class(tmp_path: Path) -> None:
    data = opened(write_ts(tmp_path / "a.ts", *waves()), limit=4)
    assert len(data.y_train) == 4 and set(data.y_train.tolist()) == {0, 1}


def test_a_folder_of_sounds(tmp_path: Path) -> None:
    values, labels = waves(low=60, high=80)
    data = opened(wav_folder(tmp_path, values, labels))
    assert data.classes == ("fast", "slow") and data.steps.rate == 1000
    expected = {float(np.float32(np.round(one[0, 0] * 2**14) / 2**15)) for one in values}
    assert {float(one[0, 0]) for one in [*data.x_train, *data.x_test]} == expected
    grouped = opened(tmp_path, group="prefix")
    sides = [set(grouped.splits[name].metadata["prefix"]) for name in ("train", "test")]
    assert not sides[0] & sides[1] and sides[0] | sides[1] == {"speaker0", "speaker1", "speaker2"}


def test_sounds_in_a_table_of_labels(tmp_path: Path) -> None:
    values, labels = waves(low=60, high=80)
    names = [f"{k}.wav" for k in range(24)]
    for name, one in zip(names, values, strict=True):
        write_wav(tmp_path / name, np.round(one[0] * 2**14).astype(int))
    rows = zip(names, labels, [f"p{k % 6}" for k in range(24)], strict=True)
    (tmp_path / "labels.csv").write_text("file,label,speaker\n" + "\n".join(map(",".join, rows)))
    data = opened(tmp_path, group="speaker")
    sides = [set(data.splits[name].metadata["speaker"]) for name in ("train", "test")]
    assert data.classes == ("fast", "slow") and not sides[0] & sides[1]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_sounds_of_every_width(tmp_path: Path, width: int) -> None:
    top = 2 ** (8 * width - 1)
    samples = np.random.default_rng(width).integers(-top, top, 500)
    path = write_wav(tmp_path / "a.wav", samples, width=width)
    sound = read_sound(path)
    assert sound.rate == 1000 and sound.samples.shape == (1, 500)
    np.testing.assert_allclose(sound.samples[0], samples / top, atol=1e-7)
    parts = list(SoundStream(path).parts(64))
    np.testing.assert_array_equal(np.concatenate(parts, 1), sound.samples)
    with wave.open(str(path)) as file:  # what was written is such a file for the standard library too
        assert (file.getsampwidth(), file.getnframes()) == (width, 500)


def test_sounds_of_floats(tmp_path: Path) -> None:
    samples = np.linspace(-1, 1, 100, dtype=np.float32)
    wavfile.write(tmp_path / "a.wav", 8000, samples)
    np.testing.assert_array_equal(read_sound(tmp_path / "a.wav").samples[0], samples)


def test_stereo_is_averaged_with_a_note_and_rates_are_converted(tmp_path: Path, listener: Listener) -> None:
    values, labels = waves(low=60, high=80)
    wav_folder(tmp_path, values, labels)
    both = np.stack([np.full(90, 8192), np.full(90, 16384)], 1)
    path = write_wav(tmp_path / "fast" / "speaker9_99.wav", both)
    assert mono(read_sound(path).samples)[0].tolist() == [0.375] * 90
    opened(tmp_path, report=listener)
    assert any(str(path) in note and "mean" in note for note in listener.notes)
    half = opened(tmp_path, rate=500)
    assert half.steps.rate == 500 and half.size == (1, 45)
    source = next(tmp_path.glob("slow/speaker0_0.wav"))
    expected = resample_poly(read_sound(source).samples[0].astype(np.float64), 1, 2).astype(np.float32)
    whole = [row[0, : len(expected)] for row in torch.cat([half.x_train, half.x_test])]
    assert any(np.array_equal(row.numpy(), expected) for row in whole)


def test_a_folder_of_texts(tmp_path: Path) -> None:
    data = opened(text_folder(tmp_path))
    assert data.steps.symbols == ("a", "b") and data.channels == 2 and data.classes == ("flat", "mixed")
    for split in data.splits.values():
        inside = ~split.x[:, 0].isnan()
        assert torch.equal(split.x.sum(1)[inside], torch.ones(int(inside.sum())))
    again = opened(tmp_path, symbols=("b", "a"))
    assert torch.equal(again.x_train.nan_to_num(9), data.x_train.flip(1).nan_to_num(9))


def test_npz_with_sets_and_columns(tmp_path: Path) -> None:
    values, labels = waves(low=20, high=20)
    x = np.stack([one[0] for one in values]).astype(np.float32)
    x[3, 15:] = np.nan
    y, who = np.array(labels), np.arange(24) // 4
    np.savez(
        tmp_path / "a.npz", x_train=x[:16], y_train=y[:16], x_test=x[16:], y_test=y[16:], who_train=who[:16], who_test=who[16:]
    )
    data = opened(tmp_path / "a.npz")
    assert data.splits["test"].metadata["who"].tolist() == [4] * 4 + [5] * 4
    assert lengths_of(data.x_train)[3] == 15 and len(data.y_test) == 8
    assert len(opened(tmp_path / "a.npz", unlabelled=True).x_test) == 24
    assert len(opened(tmp_path / "a.npz", unlabelled=True, split="train").x_test) == 16
