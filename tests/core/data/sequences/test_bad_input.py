"""Every sequence that cannot be used is refused in one line that names the file, the place and what mends it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from dlcli.core.data.sequences import open_sequences
from dlcli.core.data.sequences.base import SequenceOptions
from dlcli.support.errors import InputError, MissingInputError
from tests.core.data.conftest import Listener
from tests.sequences import text_folder, wav_folder, waves, write_csv, write_long, write_npz, write_ts, write_tsv, write_wav

VALUES, LABELS = waves(low=20, high=20)
Make = Callable[[Path], Path]


def replaced(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def first(value: np.ndarray, k: int = 5) -> str:
    return repr(float(value[0, k]))


def ts(root: Path, **more: Any) -> Path:
    return write_ts(root / "a.ts", VALUES, LABELS, **more)


def ragged_csv(root: Path) -> Path:
    values, labels = waves(n=6)
    return write_csv(root / "a.csv", values, labels)


def npz(root: Path, change: Callable[[dict[str, np.ndarray]], None]) -> Path:
    arrays = {"x": np.stack([one[0] for one in VALUES]).astype(np.float32), "y": np.array(LABELS)}
    change(arrays)
    np.savez(root / "a.npz", **arrays)
    return root / "a.npz"


def nan_inside(arrays: dict[str, np.ndarray]) -> None:
    arrays["x"][3, 7] = np.nan


def too_few_labels(arrays: dict[str, np.ndarray]) -> None:
    arrays["y"] = arrays["y"][:-1]


def one_hot_labels(arrays: dict[str, np.ndarray]) -> None:
    arrays["y"] = np.eye(2)[[int(label == "fast") for label in arrays["y"]]]


def texts(arrays: dict[str, np.ndarray]) -> None:
    arrays["x"] = arrays["y"]


def too_long(arrays: dict[str, np.ndarray]) -> None:
    arrays["lengths"] = np.full(len(arrays["y"]), 21)


def objects(root: Path) -> Path:
    found = np.empty(2, dtype=object)
    found[:] = [[1.0], [1.0, 2.0]]
    np.savez(root / "a.npz", x=found, y=np.array([0, 1]), allow_pickle=True)
    return root / "a.npz"


def sounds(root: Path) -> Path:
    return wav_folder(root / "sounds", VALUES, LABELS)


def with_empty_sound(root: Path) -> Path:
    write_wav(sounds(root) / "fast" / "z.wav", np.zeros(0, dtype=int))
    return root / "sounds"


def with_another_rate(root: Path) -> Path:
    write_wav(sounds(root) / "slow" / "z.wav", np.zeros(50, dtype=int), rate=500)
    return root / "sounds"


def with_broken_sound(root: Path) -> Path:
    (sounds(root) / "fast" / "z.wav").write_bytes(b"RIFFnothing")
    return root / "sounds"


def with_strange_sound(root: Path) -> Path:
    wavfile.write(sounds(root) / "fast" / "z.wav", 1000, np.array([0.0, np.nan, 0.0], dtype=np.float32))
    return root / "sounds"


def unseen_character(root: Path) -> Path:
    for part in ("train", "test"):
        text_folder(root / "texts" / part)
    (root / "texts" / "test" / "flat" / "1.txt").write_text("bbxb")
    return root / "texts"


def no_utf8(root: Path) -> Path:
    (text_folder(root / "texts") / "flat" / "1.txt").write_bytes(b"ab\xff")
    return root / "texts"


def empty_text(root: Path) -> Path:
    (text_folder(root / "texts") / "flat" / "1.txt").write_text("")
    return root / "texts"


def new_class_in_test(root: Path) -> Path:
    write_ts(root / "A_TRAIN.ts", VALUES, LABELS)
    return write_ts(root / "A_TEST.ts", VALUES[:2], ["slow", "other"])


def two_datasets(root: Path) -> Path:
    for name in ("A_TRAIN", "A_TEST", "B_TRAIN"):
        write_ts(root / f"{name}.ts", VALUES, LABELS)
    return root


def same_time(root: Path) -> Path:
    path = write_long(root / "a.csv", VALUES, LABELS)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1]]))
    return path


def two_labels(root: Path) -> Path:
    path = write_long(root / "a.csv", VALUES, LABELS)
    lines = path.read_text().splitlines()
    last = lines[-1].split(",")
    lines[-1] = ",".join([*last[:-1], "fast" if last[-1] == "slow" else "slow"])
    path.write_text("\n".join(lines))
    return path


def empty_table(root: Path) -> Path:
    (root / "a.tsv").write_text("\n")
    return root / "a.tsv"


def write_rows(path: Path, rows: list[list[float]]) -> Path:
    """A csv without a header."""
    path.write_text("\n".join(",".join(map(repr, row)) for row in rows) + "\n")
    return path


def commas(path: Path) -> Path:
    """A table as spreadsheets of many countries write it: semicolons between cells, commas for points."""
    path.write_text(path.read_text().replace(",", ";").replace(".", ","))
    return path


def decimal_commas(root: Path) -> Path:
    return commas(write_csv(root / "a.csv", VALUES, LABELS))


def without_first_line(path: Path) -> Path:
    path.write_text(path.read_text().partition("\n")[2])
    return path


CASES: dict[str, tuple[Make, list[str]]] = {
    "rows of unequal length": (ragged_csv, ["a.csv: row", "values, and others have", "`pad`"]),
    "not a number": (
        lambda root: replaced(write_csv(root / "a.csv", VALUES, LABELS), first(VALUES[2]), "x7"),
        ["a.csv: row 3, column 't5' is 'x7', not a number"],
    ),
    "a comma for a point": (
        lambda root: replaced(write_csv(root / "a.csv", VALUES, LABELS), first(VALUES[0]), '"7,5"'),
        ["row 1, column 't5' is '7,5', not a number: its decimal mark is a comma", "write 7.5"],
    ),
    "commas for points in a whole table": (
        decimal_commas,
        ["a.csv: row 1, column 't0' is '", "its decimal mark is a comma"],
    ),
    "commas for points without a header": (
        lambda root: without_first_line(decimal_commas(root)),
        ["a.csv: row 1, column '1' is '", "its decimal mark is a comma"],
    ),
    "commas for points in a table with a row per step": (
        lambda root: commas(write_long(root / "a.csv", VALUES, LABELS)),
        ["a.csv: row 1, column 'v0' is '", "its decimal mark is a comma"],
    ),
    "nan inside a row": (
        lambda root: replaced(write_tsv(root / "a.tsv", VALUES, LABELS), first(VALUES[1]), "NaN"),
        ["a.tsv: row 2: step 6 is nan", "fill missing values in"],
    ),
    "infinite": (
        lambda root: replaced(write_tsv(root / "a.tsv", VALUES, LABELS), first(VALUES[1]), "inf"),
        ["a.tsv: row 2, column '6' is 'inf', not a finite number"],
    ),
    "nan inside an array": (lambda root: npz(root, nan_inside), ["a.npz: x[3]: step 8 is nan"]),
    "too few labels": (lambda root: npz(root, too_few_labels), ["'x' has 24 sequences but 'y' has 23 labels"]),
    "one-hot labels": (lambda root: npz(root, one_hot_labels), ["labels are integers or strings", "argmax"]),
    "texts in an array": (lambda root: npz(root, texts), ["sequences are numbers (n, t) or (n, channels, t)"]),
    "lengths beyond the end": (lambda root: npz(root, too_long), ["'lengths' must be 24 whole numbers from 0 to 20"]),
    "objects": (objects, ["a.npz: is not a complete .npz archive of plain arrays", "one float array, with NaN after the end"]),
    "one sequence of each class": (
        lambda root: write_ts(root / "a.ts", VALUES[:2], LABELS[:2]),
        ["no class has two sequences", "test set"],
    ),
    "one class": (lambda root: write_ts(root / "a.ts", VALUES[:4:2], LABELS[:4:2]), ["all labels are 'slow'"]),
    "time stamps": (
        lambda root: replaced(ts(root), "@timeStamps false", "@timeStamps true"),
        ["a.ts: has time stamps", "id and time"],
    ),
    "a missing value": (
        lambda root: replaced(ts(root), first(VALUES[1]), "?"),
        ["a.ts: line 7, channel 1, step 6 is missing", "fill missing values in"],
    ),
    "a missing value in a table": (
        lambda root: replaced(write_long(root / "a.csv", VALUES, LABELS), first(VALUES[1], 0), "n/a"),
        ["a.csv: row 2, column 'v0' is missing ('n/a')"],
    ),
    "scores": (lambda root: ts(root, header="@targetLabel true"), ["a.ts: has numbers to predict (@targetLabel)"]),
    "no data": (lambda root: replaced(ts(root), "@data", ""), ["a.ts: has no line @data"]),
    "a missing label": (lambda root: replaced(ts(root), ":slow", ":"), ["a.ts: line 6: has no label"]),
    "no label in a table": (
        lambda root: replaced(write_csv(root / "a.csv", VALUES, LABELS), "slow", ""),
        ["a.csv: row 1 has no label"],
    ),
    "no column of labels": (
        lambda root: replaced(write_csv(root / "a.csv", VALUES, LABELS), "label", "kind"),
        ["none of which is called label or class", "`label_column=NAME`"],
    ),
    "channels of other lengths": (
        lambda root: replaced(write_ts(root / "a.ts", *waves(channels=2)), ",", ":"),
        ["a.ts: line 6: its channels have from 1 to"],
    ),
    "other channels": (
        lambda root: write_ts(root / "a.ts", [*VALUES[:-1], np.zeros((2, 20))], LABELS),
        ["a.ts: line 29 has 2 channels, and line 6 of a.ts has 1"],
    ),
    "a class that training lacks": (new_class_in_test, ["A_TEST.ts: line 7 of the test set is of class 'other'"]),
    "two datasets in a folder": (two_datasets, ["holds files of 2 datasets: A, B", "A_TEST.ts"]),
    "an empty sound": (with_empty_sound, ["z.wav: holds no sound", "remove it"]),
    "sounds of two rates": (with_another_rate, ["z.wav: has 500 samples per second", "has 1,000", "`rate=500`"]),
    "a broken sound": (with_broken_sound, ["z.wav: is not a .wav that can be read"]),
    "a sound with nan": (with_strange_sound, ["z.wav: step 2 is nan"]),
    "a character that training lacks": (unseen_character, ["flat/1.txt: line 1: the character 'x'", "training"]),
    "no UTF-8": (no_utf8, ["1.txt: byte 2 is not UTF-8"]),
    "an empty text": (empty_text, ["1.txt: is empty"]),
    "a time twice": (same_time, ["column 'time': '0' is the time of row 1 too"]),
    "two labels of a sequence": (two_labels, ["column 'label':", "of the same sequence has"]),
    "values in the place of labels": (
        lambda root: write_rows(root / "a.csv", [one[0].tolist() for one in VALUES]),
        ["a.csv: has no header, so the first column is that of labels, and holds 24 different numbers", "in a first line"],
    ),
    "an empty table": (empty_table, ["a.tsv: is empty"]),
    "a length of 0": (
        lambda root: write_npz(root / "a.npz", [*VALUES[:-1], np.zeros((1, 0))], LABELS),
        ["x[23] is empty"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_in_a_line(tmp_path: Path, case: str) -> None:
    make, words = CASES[case]
    with pytest.raises(InputError) as caught:
        open_sequences(str(make(tmp_path)), SequenceOptions())
    text = f"{caught.value} ({caught.value.hint})"
    assert all(word in text for word in words), text
    assert "\n" not in text


def test_a_short_row_with_pad(tmp_path: Path) -> None:
    values, labels = waves(n=8)
    data = open_sequences(str(write_csv(tmp_path / "a.csv", values, labels)), SequenceOptions(pad=True))
    assert data.size[1] == max(one.shape[1] for one in values)


def test_groups_in_two_sets_are_refused(tmp_path: Path) -> None:
    for part in ("train", "test"):
        wav_folder(tmp_path / part, VALUES, LABELS)
    with pytest.raises(InputError, match="in the train set and in the test set"):
        open_sequences(str(tmp_path), SequenceOptions(group="prefix"))


def test_no_such_data(tmp_path: Path) -> None:
    for name in ("nothing.ts", "nothing.csv", "nothing", "nothing.npz", "nothing.wav"):
        with pytest.raises(MissingInputError, match="nothing"):
            open_sequences(str(tmp_path / name), SequenceOptions())


def test_all_values_of_a_csv_without_a_header_are_read_where_no_labels_are(tmp_path: Path, listener: Listener) -> None:
    rows = [one[0].tolist() for one in VALUES]
    options = SequenceOptions(labels=False, report=listener)
    data = open_sequences(str(write_rows(tmp_path / "a.csv", rows)), options)
    found = sorted(row for split in data.splits.values() for row in split.x[:, 0].tolist())
    assert np.allclose(found, sorted(rows), atol=1e-6)
    assert "first column is read as values" in listener.notes[0]
    every = open_sequences(str(tmp_path / "a.csv"), replace(options, unlabelled=True))
    assert every.x_test[:, 0].numpy() == pytest.approx(np.array(rows), abs=1e-6)
    named = open_sequences(str(write_tsv(tmp_path / "b.tsv", VALUES, LABELS)), options)
    assert named.size[1] == 20  # words in the first column are labels


@pytest.mark.parametrize("write", [write_csv, write_ts, write_long, write_npz])
def test_values_that_float32_cannot_tell_apart(tmp_path: Path, write: Any) -> None:
    path = tmp_path / {write_ts: "a.ts", write_npz: "a.npz"}.get(write, "a.csv")
    if write is write_npz:
        np.savez(path, x=np.stack([one[0] + 1e9 for one in VALUES]), y=np.array(LABELS))
    else:
        write(path, [one + 1e9 for one in VALUES], LABELS)
    with pytest.raises(InputError, match="has values from .* too close together for numbers of 7 digits") as caught:
        open_sequences(str(path), SequenceOptions())
    assert "subtract 99999999" in caught.value.hint
    assert len(open_sequences(str(path), SequenceOptions(unlabelled=True)).x_test) == len(VALUES)


def test_values_beyond_float32(tmp_path: Path) -> None:
    spec = write_csv(tmp_path / "a.csv", [one * 1e39 for one in VALUES], LABELS)
    with pytest.raises(InputError, match="which are too large"):
        open_sequences(str(spec), SequenceOptions())


def test_steps_follow_the_numbers_of_their_columns(tmp_path: Path, listener: Listener) -> None:
    header, *lines = write_csv(tmp_path / "a.csv", VALUES, LABELS).read_text().splitlines()
    order = np.argsort(header.split(","))  # as text: t10 before t2
    rows = [",".join(np.array(line.split(","))[order]) for line in (header, *lines)]
    (tmp_path / "b.csv").write_text("\n".join(rows) + "\n")
    options = SequenceOptions(report=listener)
    plain, sorted_by_name = (open_sequences(str(tmp_path / name), options) for name in ("a.csv", "b.csv"))
    assert torch.equal(plain.x_train, sorted_by_name.x_train)
    assert len(listener.notes) == 1
    assert "in the order of their numbers, t0 to t19" in listener.notes[0]


def test_a_step_that_no_column_holds_is_warned_of(tmp_path: Path, listener: Listener) -> None:
    path = write_csv(tmp_path / "a.csv", VALUES, LABELS)
    header, *lines = path.read_text().splitlines()
    k = header.split(",").index("t7")
    path.write_text("\n".join(",".join(np.delete(line.split(","), k)) for line in (header, *lines)) + "\n")
    assert open_sequences(str(path), SequenceOptions(report=listener)).size[1] == VALUES[0].shape[1] - 1
    assert "columns are missing between t6 and t8" in listener.warnings[0]


def test_equal_values_are_warned_of(tmp_path: Path, listener: Listener) -> None:
    spec = write_csv(tmp_path / "a.csv", [np.full((1, 20), 0.1)] * len(LABELS), LABELS)
    open_sequences(str(spec), SequenceOptions(report=listener))
    assert "the same value at all steps, 0.1;" in listener.warnings[0]
