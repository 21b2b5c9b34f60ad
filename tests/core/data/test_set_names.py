"""Which set a folder holds by its name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.data.set_names import SetName, read_set_name

NAMES = {
    "train": "train training TRAIN Train TrainSet trainset training_set train_images Training-Data train2017 01_train trainval",
    "val": "val valid validation VAL Valid Validation_Set valset val2017 validation-images",
    "dev": "dev Dev development devset dev_split",
    "train-dev": "train-dev train_dev TRAIN_DEV traindev TrainDev",
    "test": "test testing Test TESTING eval evaluation test_set TestData test-images testset tests",
}
"""As Kaggle, Roboflow, fastai, COCO, Pascal VOC and courses have them."""


@pytest.mark.parametrize(("name", "folder"), [(name, folder) for name, folders in NAMES.items() for folder in folders.split()])
def test_names_of_sets_are_read_in_any_case_and_with_endings(name, folder):
    assert read_set_name(folder) == SetName(name, ())


@pytest.mark.parametrize(("folder", "name", "rest"), [("seg_train", "train", ("seg",)), ("imagenet-val", "val", ("imagenet",))])
def test_other_words_are_told_apart(folder, name, rest):
    assert read_set_name(folder) == SetName(name, rest)


@pytest.mark.parametrize(
    "folder",
    [
        "cat",
        "trains",
        "trainer",
        "contest",
        "latest",
        "value",
        "device",
        "devil",
        "evaluator",
        "images",
        "2024-01-02",
        "",
        "字",
    ],
)
def test_names_that_only_look_like_those_of_sets(folder):
    assert read_set_name(folder) is None


@given(st.sampled_from([folder for folders in NAMES.values() for folder in folders.split() if folder.islower()]), st.data())
def test_case_does_not_matter(folder, data):
    for changed in (folder.upper(), folder.capitalize(), folder.title()):
        assert read_set_name(changed) == read_set_name(folder)
    either = data.draw(st.sampled_from(["{}_images", "images-{}", "{} 2", "my/{}"[3:]]))
    assert read_set_name(either.format(folder)) == read_set_name(folder)


@given(st.text(max_size=30))
def test_any_name_can_be_read(folder):
    found = read_set_name(folder)
    assert found is None or found.name in NAMES
