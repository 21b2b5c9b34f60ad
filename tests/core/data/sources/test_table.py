"""Tables of labels as people write them, beside the same pictures in folders of classes."""

import random
import unicodedata

import numpy as np
import pytest
import torch

from dlcli.core.data import locate, open_data
from dlcli.core.data.base import choose, hold_out
from dlcli.core.data.file_kinds import all_files
from dlcli.support.errors import InputError
from tests.core.data.pictures import fill, noise, picture


def table(folder, lines, name="labels.csv"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows_of(root, written, mark=","):
    """A row for each picture of folders of classes, in random order."""
    rows = [f"{path.relative_to(root).as_posix()}{mark}{path.parent.name}" for path in written]
    random.Random(0).shuffle(rows)
    return rows


def labels_of(data):
    """The class of each file, of all sets together."""
    return {
        name: data.classes[k] for s in data.splits.values() for name, k in zip(s.metadata["file"], s.y.tolist(), strict=True)
    }


def same(found, expected):
    assert (found.classes, found.fingerprint) == (expected.classes, expected.fingerprint)
    assert [list(split.metadata["file"]) for split in found.splits.values()] == [
        list(split.metadata["file"]) for split in expected.splits.values()
    ]


@pytest.mark.parametrize(
    ("file", "label"),
    [
        ("path", "label"),
        ("File", "Class"),
        ("filename", "target"),
        ("image", "y"),
        ("image_path", "CATEGORY"),
        ("name", "label"),
    ],
)
def test_a_table_gives_the_sets_of_the_folders_it_describes(tmp_path, listener, file, label):
    written = fill(tmp_path, ("ant", "bee", "cow"))
    expected = open_data(str(tmp_path))
    path = table(tmp_path, [f"{file},{label}", *rows_of(tmp_path, written)])
    for spec in (path, tmp_path):
        same(open_data(str(spec), report=listener), expected)
    assert not listener.warnings


@pytest.mark.parametrize("mark", ["\t", ";"])
def test_other_delimiters_and_names_of_tables(tmp_path, mark):
    written = fill(tmp_path / "images")
    expected = open_data(str(tmp_path / "images"))
    lines = [f"path{mark}label", *rows_of(tmp_path / "images", written, mark)]
    found = open_data(str(table(tmp_path, lines, "mine.tsv" if mark == "\t" else "mine.csv")))  # the pictures are below images
    assert found.fingerprint == expected.fingerprint
    table(tmp_path / "images", lines, "labels.tsv" if mark == "\t" else "labels.csv")
    same(open_data(str(tmp_path / "images")), expected)


def test_a_column_of_sets_gives_the_sets_of_folders(tmp_path):
    for k, (name, classes) in enumerate({"train": ("ant", "bee"), "valid": ("ant",), "test": ("ant", "bee")}.items()):
        fill(tmp_path / name, classes, n=3, seed=k)
    expected = open_data(str(tmp_path))
    files = sorted(tmp_path.rglob("*.png"))
    lines = [f"{path.relative_to(tmp_path)},{path.parent.name},{path.parts[-3].title()}" for path in files[::-1]]
    same(open_data(str(table(tmp_path, ["path,label,Split", *lines]))), expected)


def test_a_table_called_as_a_set_is_that_set(tmp_path):
    written = fill(tmp_path)
    test = open_data(str(table(tmp_path, ["path,label", *rows_of(tmp_path, written)], "test.csv")))
    assert (len(test.y_train), len(test.y_test)) == (0, 10)
    train = open_data(str(table(tmp_path, ["path,label", *rows_of(tmp_path, written)], "train_labels.csv")))
    assert (len(train.y_train), len(train.y_test)) == (8, 2)


def test_files_are_found_as_people_name_them(tmp_path, listener):
    written = list(fill(tmp_path / "data" / "images", n=3))
    picture(tmp_path / "data" / "images" / "é.png", noise(90))
    picture(tmp_path / "elsewhere.png", noise(91))
    cells = [
        "images/ant/00.png",
        "./images/ant/01.png",
        "ant\\02.png",
        str(written[3]),
        "bee/01",
        " bee/02.png",
        unicodedata.normalize("NFD", "é.png"),
        "../elsewhere.png",
    ]
    lines = ["path,label", *(f"{cell},{'ab'[k % 2]}" for k, cell in enumerate(cells))]
    data = open_data(str(table(tmp_path / "data", lines)), report=listener)
    assert listener.warnings == [
        f"{tmp_path / 'data/labels.csv'}: 1 file outside of {tmp_path / 'data'} (row 8: ../elsewhere.png)"
    ]
    expected = {f"images/{path.relative_to(tmp_path / 'data/images')}": "ab"[k % 2] for k, path in enumerate(written)}
    expected |= {f"images/{unicodedata.normalize('NFC', 'é.png')}": "a", "../elsewhere.png": "b"}
    assert labels_of(data) == expected


@pytest.mark.parametrize("place", ["/data/mine/", "C:\\data\\mine\\", "/"])
def test_absolute_paths_of_another_machine(tmp_path, listener, place):
    written = list(fill(tmp_path))
    expected = open_data(str(tmp_path))
    join = "\\" if "\\" in place else "/"
    lines = [f"{place}{path.parent.name}{join}{path.name},{path.parent.name}" for path in written]
    path = table(tmp_path, ["path,label", *lines], "mine.csv")
    same(open_data(str(path), report=listener), expected)
    assert (
        listener.notes[-1] == f"{path}: files in {place.replace(join, '/')} are read from {tmp_path}" and not listener.warnings
    )


def test_one_name_in_two_folders_is_refused(tmp_path):
    fill(tmp_path, n=2)
    path = table(tmp_path, ["file,label", "00.png,a", "01.png,b"])
    with pytest.raises(InputError, match=r"row 1: '00.png' may be ant/00.png and bee/00.png \(2 such files\)"):
        open_data(str(path))


def _flat(folder, lines, n=12):
    for k in range(n):
        picture(folder / f"{k:02}.png", noise(k))
    return str(table(folder, lines))


def _numbered(column, labels, more=""):
    return [f"path,{column}", *(f"{k:02}.png,{label}{more}" for k, label in enumerate(labels))]


@pytest.mark.parametrize(
    ("labels", "classes", "warned"),
    [
        ([k % 3 for k in range(12)], ("0", "1", "2"), 0),
        ([k % 3 + 1 for k in range(12)], ("1", "2", "3"), 0),
        ([f"{k % 3}.0" for k in range(12)], ("0", "1", "2"), 0),
        ([[2, 10, 7][k % 3] for k in range(12)], ("2", "7", "10"), 1),
        ([["07", "7", "10"][k % 3] for k in range(12)], ("07", "10", "7"), 1),
        ([["Cat", "cat", "dog"][k % 3] for k in range(12)], ("Cat", "cat", "dog"), 1),
        ([["a", "b", ""][k % 3] for k in range(12)], ("a", "b"), 1),
    ],
)
def test_what_labels_become(tmp_path, listener, labels, classes, warned):
    data = open_data(_flat(tmp_path, _numbered("label", labels)), report=listener)
    assert data.classes == classes
    assert len(listener.warnings) == warned
    named = {
        name: data.classes[k] for s in data.splits.values() for name, k in zip(s.metadata["file"], s.y.tolist(), strict=True)
    }
    assert named == {f"{k:02}.png": str(label).removesuffix(".0") for k, label in enumerate(labels) if label != ""}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (_numbered("label", [0.37 * k for k in range(12)]), "column 'label': '0.37' is a number with a fraction"),
        (
            _numbered("label,class", [f"{k % 2},{k % 3}" for k in range(12)]),
            "columns 'label' and 'class' may both hold the labels",
        ),
        (_numbered("label", ["a", "b"]) + ["00.png,b"], "'00.png' is in row 1 too, labelled 'a' there and 'b' here"),
        (_numbered("label,split", ["a,train", "b,train"]) + ["00.png,a,test"], "in the set 'train' there and 'test' here"),
        (_numbered("label,split", ["a,train", "b,training day"]), "row 2: 'training day' is not the name of a set"),
        (_numbered("label,split", ["a,dev", "b,dev"]), "has dev, but neither train nor test"),
        (_numbered("label,split", ["a,train", "b,train", "c,test"]), "train has no class 'c', and 1 image of its test set is"),
        (_numbered("label", ["", " "]), "none of its 2 images has a label"),
        (_numbered("label", ["a", "b", "c"]), "no class has two images"),
        (_numbered("label", "aaaa"), "of one class only, 'a'"),
        (["path,file,label", "00.png,01.png,a", "02.png,02.png,b"], "'path' and 'file' name different files"),
        (["path,label", "no.png,a", "no2.png,a", "no3.png,b"], "none of its 3 images can be read"),
    ],
)
def test_tables_that_are_refused(tmp_path, lines, message):
    with pytest.raises(InputError, match=message) as caught:
        open_data(_flat(tmp_path, lines))
    assert "\n" not in caught.value.message + caught.value.hint


def test_label_column_chooses(tmp_path):
    path = _flat(tmp_path, _numbered("label,Site Name", [f"{k % 2},{'xyz'[k % 3]}" for k in range(12)]))
    assert open_data(path, label_column="site_name").classes == ("x", "y", "z")
    with pytest.raises(InputError, match=r"has no column 'sit' \(`label_column`\)"):
        open_data(path, label_column="sit")
    fill(tmp_path / "plain")
    for spec in ("digits", str(tmp_path / "plain")):
        with pytest.raises(InputError, match=r"no column 'label' \(`label_column`\)"):
            open_data(spec, label_column="label")


def test_columns_of_numbers_and_names_that_agree_are_the_names_in_that_order(tmp_path):
    path = _flat(tmp_path, _numbered("label,class_name", [f"{k % 3},{['cow', 'bee', 'ant'][k % 3]}" for k in range(12)]))
    data = open_data(path)
    assert data.classes == ("cow", "bee", "ant")
    assert set(zip(data.splits["train"].metadata["label"], data.y_train.tolist(), strict=True)) == {
        ("0", 0),
        ("1", 1),
        ("2", 2),
    }


def test_rows_about_one_file_are_read_once(tmp_path, listener):
    lines = _numbered("label", ["ab"[k % 2] for k in range(12)])
    data = open_data(_flat(tmp_path, [*lines, *lines[1:4]]), report=listener)
    assert len(data.y_train) + len(data.y_test) == 12
    assert listener.warnings == [f"{tmp_path / 'labels.csv'}: 3 rows with a file that an earlier row has; read once"]


def test_every_row_is_predicted_in_the_order_of_the_table(tmp_path):
    path = _flat(tmp_path, ["image,site", *(f"{k:02}.png,x" for k in (5, 3, 5, 0))])
    data = open_data(path, unlabelled=True)
    assert list(data.splits["test"].metadata["file"]) == ["05.png", "03.png", "05.png", "00.png"]
    assert data.classes == ()


@pytest.mark.parametrize("labels", [np.array([2, 0, 1, 2, 2, 0] * 30), np.array(["b", "a", "c", "b"] * 40), np.arange(50)])
def test_the_hold_out_of_each_class_depends_on_its_keys_alone(labels):
    keys = np.random.PCG64(3).random_raw(len(labels))
    held = hold_out(labels, 0.3, 3)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        wanted = min(len(of_class) - 1, max(1, round(len(of_class) * 0.3)))
        assert set(np.flatnonzero(held & (labels == label))) == set(of_class[np.argsort(keys[of_class])][:wanted])
    assert len(choose(labels, 7)) == 7


def test_the_folders_are_listed_once_however_many_files_are_elsewhere(tmp_path, monkeypatch):
    listed = []
    monkeypatch.setattr(locate, "all_files", lambda folder: listed.append(folder) or all_files(folder))
    names = [f"é{k:05}.png" for k in range(300)]
    for name in names:
        picture(tmp_path / "images" / unicodedata.normalize("NFD", name), noise(len(listed), (2, 2, 3)))
    lines = ["path,label", *(f"{name},{k % 150}" for k, name in enumerate(names))]
    data = open_data(str(table(tmp_path, lines)))
    assert len(data.y_train) == len(data.y_test) == 150 and listed == [tmp_path]


def test_a_limit_counts_the_examples_of_a_set(tmp_path):
    path = _flat(tmp_path, _numbered("y", ["ab"[k % 2] for k in range(12)]))
    data = open_data(path, limit=4)
    assert [len(split.y) for split in data.splits.values()] == [4, 2]
    assert torch.bincount(data.y_train).tolist() == [2, 2]
