"""Files to predict: every one below a folder, whatever its folders are called."""

import numpy as np
import pytest

from dlcli.core.data import open_data
from dlcli.support.errors import InputError
from tests.core.data.pictures import fill, noise, picture


def files(root, **options):
    data = open_data(str(root), unlabelled=True, **options)
    assert (data.classes, len(data.y_train)) == ((), 0)
    return data.splits["test"].metadata["file"].tolist()


def test_a_flat_folder_or_one_image_is_a_test_set_of_no_classes(tmp_path, listener):
    (tmp_path / "b.txt").touch()
    pixels = {f"{name}.png": noise(k) for k, name in enumerate("cab")}
    for name, image in pixels.items():
        picture(tmp_path / name, image)
    assert files(tmp_path, report=listener) == sorted(pixels)
    assert listener.warnings == [f"{tmp_path}: skipped (not images): b.txt (1 in total)"]
    (one,) = open_data(str(tmp_path / "c.png"), unlabelled=True).x_test
    for found in (one, open_data(str(tmp_path), unlabelled=True).x_test[2]):
        np.testing.assert_array_equal(found.mul(255).round().byte().numpy(), pixels["c.png"].transpose(2, 0, 1))
    with pytest.raises(InputError, match="c.png: is a picture and has no label"):
        open_data(str(tmp_path / "c.png"))


def _classes(root):
    return fill(root)


def _by_date(root):
    return fill(root / "2026", ("11-01",)) | fill(root / "2025", ("12-24", "12-25"))


def _one_folder(root):
    return fill(root, ("new",))


def _sets(root):
    return fill(root / "train") | fill(root / "valid", ("ant", "cow")) | fill(root, ("unsorted",))


def _listed(root):
    (root / "labels.csv").write_text("file,name\nant/00.png,ant\nant/01.png,bee\n")
    return fill(root)


@pytest.mark.parametrize("make", [_classes, _by_date, _one_folder, _sets, _listed])
def test_every_file_below_the_folder_is_predicted(tmp_path, make, listener):
    written = [str(path.relative_to(tmp_path)) for path in make(tmp_path)]
    assert sorted(files(tmp_path, report=listener)) == sorted(written)
    assert listener.warnings == []


def test_a_set_is_read_where_it_is_asked_for(tmp_path, listener):
    fill(tmp_path / "Train", ("ant", "bee"))
    fill(tmp_path / "Testing", ("cow",), n=2)
    picture(tmp_path / "Testing" / "1.png", noise(1))
    found = files(tmp_path, split="test", report=listener)
    assert found == ["Testing/1.png", "Testing/cow/00.png", "Testing/cow/01.png"]
    assert f"{tmp_path}: the test set is the folder 'Testing'" in listener.notes
    assert len(files(tmp_path, split="train")) == 10
    with pytest.raises(InputError, match="has no split 'dev'") as caught:
        open_data(str(tmp_path), unlabelled=True, split="dev")
    assert caught.value.hint == "it has test, train"


def test_without_folders_of_sets_a_set_is_that_of_the_classes(tmp_path):
    fill(tmp_path)
    data = open_data(str(tmp_path), unlabelled=True, split="test")
    assert data.classes == ("ant", "bee")
    assert [len(split.y) for split in data.splits.values()] == [8, 2]


def test_videos_among_pictures_are_reported(tmp_path, listener):
    fill(tmp_path)
    for name in ("clip.mp4", "bee/clip.MOV"):
        (tmp_path / name).touch()
    assert len(files(tmp_path, report=listener, videos=False)) == 10
    assert listener.warnings == [f"{tmp_path}: 2 videos skipped, since a network takes either: clip.mp4 ..."]


def test_nothing_to_predict(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="contains no images"):
        open_data(str(tmp_path), unlabelled=True)
