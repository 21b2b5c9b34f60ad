"""Which folders are sets and which are classes, through `open_data`."""

import pytest

from dlcli.core.data import open_data
from dlcli.support.errors import InputError
from tests.core.data.pictures import contents, contents_of, fill, noise, picture


def sets_of(root):
    data = open_data(str(root))
    assert data.classes == ("ant", "bee")
    return {name: contents(split, data.classes) for name, split in data.splits.items() if len(split.y)}


@pytest.mark.parametrize(
    "names",
    [
        {"training": "train", "testing": "test"},
        {"Train": "train", "Test": "test"},
        {"TRAIN": "train", "VAL": "test"},
        {"train": "train", "valid": "dev", "test": "test"},
        {"train": "train", "valid": "test"},
        {"train": "train", "validation": "test"},
        {"training_set": "train", "test_set": "test"},
        {"seg_train": "train", "seg_test": "test"},
        {"train2017": "train", "val2017": "test"},
        {"imagenet-train": "train", "imagenet-dev": "dev", "imagenet-eval": "test"},
    ],
    ids=lambda names: "+".join(names),
)
def test_sets_are_found_by_any_usual_name(tmp_path, names):
    written = {name: fill(tmp_path / folder, n=3, seed=k) for k, (folder, name) in enumerate(names.items())}
    folders = {name: tmp_path / folder for folder, name in names.items()}
    assert sets_of(tmp_path) == {name: contents_of(written[name], folders[name]) for name in written}


@pytest.mark.parametrize(("names", "noted"), [("train valid", True), ("train valid test", False), ("train test", False)])
def test_a_validation_set_that_is_the_test_set_is_noted(tmp_path, listener, names, noted):
    for k, name in enumerate(names.split()):
        fill(tmp_path / name, seed=k)
    open_data(str(tmp_path), report=listener)
    assert (f"{tmp_path}: the test set is the folder 'valid', as there is no other one" in listener.notes) is noted


def test_a_set_of_an_unknown_name_is_reported_by_its_name(tmp_path, listener):
    for k, name in enumerate(("train", "test", "extra")):
        fill(tmp_path / name, n=2, seed=k)
    data = open_data(str(tmp_path), report=listener)
    assert [len(split.y) for split in data.splits.values()] == [4, 4]
    assert listener.warnings == [f"{tmp_path}: the set 'extra' is not used (4 images): its name is none of train, val and test"]


def test_a_set_without_classes_and_pictures_beside_the_sets_are_reported(tmp_path, listener):
    fill(tmp_path / "train")
    picture(tmp_path / "test" / "1.png", noise(1))
    picture(tmp_path / "sample.png", noise(2))
    data = open_data(str(tmp_path), report=listener)
    assert [len(split.y) for split in data.splits.values()] == [8, 2]
    assert listener.warnings == [
        f"{tmp_path}: the set 'test' is not used (1 image): it has no folders of classes",
        f"{tmp_path}: skipped (not images in a set): sample.png (1 in total)",
    ]


def test_classes_called_as_sets_are_classes_beside_classes(tmp_path):
    fill(tmp_path, ("train", "plane", "test tube"))
    assert open_data(str(tmp_path)).classes == ("plane", "test tube", "train")


def test_folders_inside_classes_with_one_name_in_all_are_no_sets(tmp_path):
    for name in ("n01443537", "n01629819"):
        fill(tmp_path / name, ("images",))
    assert open_data(str(tmp_path)).classes == ("n01443537", "n01629819")


def _same_folders(root):
    fill(root / "fold1")
    fill(root / "fold2", seed=1)


def _almost_the_same(root):
    fill(root / "site_a", ("ant", "bee", "cow"))
    fill(root / "site_b", ("ant", "bee"), seed=1)


def _without_classes(root):
    for name in ("train_images", "test_images"):
        picture(root / name / "1.png", noise(len(name)))


def _class_first(root):
    for name in ("ant", "bee"):
        fill(root / name, ("train", "test"))


def _trains(root):
    fill(root / "train", ("steam", "electric"))
    fill(root, ("bus", "tram"))


def _twice(root):
    for name in ("test", "eval", "train"):
        fill(root / name, n=1)


def _inside_one(root):
    fill(root / "dataset" / "train")
    fill(root / "dataset" / "test")


@pytest.mark.parametrize(
    ("make", "message", "hint"),
    [
        (_same_folders, "fold1 and fold2 all hold the folders ant and bee: which are the classes", "names of sets"),
        (_almost_the_same, "site_a and site_b all hold the folders ant and bee", "names of sets"),
        (_without_classes, "test_images and train_images are names of sets, and hold no folders of classes", "predict"),
        (_class_first, "ant and bee each hold the sets test and train", "test/ant"),
        (_trains, "is 'train' a set or a class. beside it stands bus, tram", "rename it"),
        (_twice, "both eval and test would be the test set", "rename"),
        (_inside_one, "one class only, 'dataset'", "choose .*dataset as `data`"),
    ],
)
def test_doubt_is_asked_about(tmp_path, make, message, hint):
    make(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        open_data(str(tmp_path))
    with pytest.raises(AssertionError, match=hint):
        raise AssertionError(caught.value.hint)
