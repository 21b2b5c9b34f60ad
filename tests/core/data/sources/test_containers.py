"""Parquet, WebDataset and COCO as people have them, and what of them is refused."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from dlcli.core.data import open_data
from dlcli.core.data.shards import expand_braces, find_shards
from dlcli.support.errors import InputError
from tests.core.data.layouts import tar
from tests.core.data.pictures import fill, noise, picture

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def png(k):
    target = io.BytesIO()
    Image.fromarray(noise(k)).save(target, "PNG")
    return target.getvalue()


def write(target, n=6, **columns):
    """A parquet file of bytes and labels a, b, a ..."""
    target.parent.mkdir(parents=True, exist_ok=True)
    given = {"image": [png(k) for k in range(n)], "label": ["ab"[k % 2] for k in range(n)], **columns}
    parquet.write_table(pa.table({name: cells for name, cells in given.items() if cells is not None}), target)
    return str(target)


def sizes(data):
    return {name: len(split.y) for name, split in data.splits.items()}


def test_sets_by_the_names_of_shards(tmp_path, listener):
    for k, name in enumerate(
        ("train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001", "test-00000-of-00001")
    ):
        write(tmp_path / "data" / f"{name}.parquet", n=6 - k)
    assert sizes(open_data(str(tmp_path), report=listener)) == {"train": 11, "test": 3, "dev": 4}
    write(tmp_path / "data" / "unsupervised-00000-of-00001.parquet")
    open_data(str(tmp_path), report=listener)
    assert [line for line in listener.warnings if "1 file not used, such as unsupervised" in line]


def test_sets_by_folders_and_by_a_column(tmp_path):
    for name in ("train", "test"):
        write(tmp_path / "hub" / "default" / name / "0000.parquet")
    assert sizes(open_data(str(tmp_path / "hub"))) == {"train": 6, "test": 6}
    one = write(tmp_path / "test" / "one.parquet", split=["train"] * 4 + ["test"] * 2)
    assert sizes(open_data(one)) == {"train": 4, "test": 2}


def test_two_datasets_in_one_folder_are_refused(tmp_path):
    for name in ("small", "large"):
        write(tmp_path / name / "train-00000-of-00001.parquet")
    with pytest.raises(InputError, match="large and .*small hold different datasets"):
        open_data(str(tmp_path))


def test_a_table_of_paths_and_pictures_beside_parquet(tmp_path):
    fill(tmp_path)
    paths = [f"{name}/{k:02}.png" for name in ("ant", "bee") for k in range(5)]
    path = write(tmp_path / "labels.parquet", image=None, path=paths, label=[0] * 5 + [1] * 5)
    found = open_data(path)
    expected = open_data(str(tmp_path))  # the pictures in folders of classes, though there is a parquet file
    assert expected.classes == ("ant", "bee") and found.classes == ("0", "1")
    assert found.x_train.equal(expected.x_train) and found.x_test.equal(expected.x_test)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": None}, "none of its columns label seems to hold images"),
        ({"image": None, "a": [b"1"] * 6, "b": [b"2"] * 6}, "columns a and b may hold images"),
        ({"label": None, "kind": [1] * 6}, "has columns kind, none of which is called label or class"),
        ({"label": [[1, 2]] * 6}, "none of which is called label or class"),
        ({"label": [None] * 6}, "none of its 6 images has a label"),
        ({"image": [b"junk"] * 6}, "none of its 6 images can be read"),
        ({"split": ["train", "test", "x", "x", "x", "x"]}, "column 'split': row 3: 'x' is not the name of a set"),
    ],
)
def test_parquet_that_is_refused(tmp_path, columns, message):
    with pytest.raises(InputError, match=message) as caught:
        open_data(write(tmp_path / "one.parquet", **columns))
    assert "\n" not in caught.value.message + caught.value.hint


def test_images_without_bytes_are_skipped_and_others_chosen_by_name(tmp_path, listener):
    path = write(tmp_path / "one.parquet", n=8, image=[png(k) if k != 3 else None for k in range(8)], mask=[png(9)] * 8)
    data = open_data(path, report=listener)
    assert sum(sizes(data).values()) == 7
    assert listener.warnings == [f"{path}: one:3: cannot be decoded (no bytes); skipped"]


def test_a_damaged_parquet_file(tmp_path):
    path = write(tmp_path / "one.parquet")
    content = (tmp_path / "one.parquet").read_bytes()
    (tmp_path / "one.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="is not a parquet file that can be read"):
        open_data(path)


def test_indices_without_a_name_are_refused_and_minus_one_is_no_label(tmp_path, listener):
    def written(labels):
        features = {"image": {"_type": "Image"}, "kind": {"names": ["cow", "ant", "bee"], "_type": "ClassLabel"}}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        table = pa.table({"image": [png(k) for k in range(len(labels))], "kind": labels})
        parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "one.parquet")
        return str(tmp_path / "one.parquet")

    data = open_data(written([0, 1, 0, 1, -1, 1]), report=listener)
    assert data.classes == ("cow", "ant", "bee") and sum(sizes(data).values()) == 5
    assert any("skipped 1 image without a label" in line for line in listener.warnings)
    with pytest.raises(InputError, match="label '3' is neither the name of a class, of 3, nor the number of one"):
        open_data(written([0, 1, 3, 1]))


def sample(k, **parts):
    """Members of an example: endings and what they hold."""
    return [(f"{k:03}.{ending.replace('_', '.')}", data) for ending, data in {"png": png(k), **parts}.items()]


def samples(n=6, **others):
    return [member for k in range(n) for member in sample(k, cls=b"%d" % (k % 2), **others)]


def test_sets_by_the_names_of_archives(tmp_path):
    for name, n in (("flowers-train-000", 6), ("flowers-train-001", 4), ("flowers-val-000", 2)):
        tar(tmp_path / f"{name}.tar", samples(n))
    assert sizes(open_data(str(tmp_path))) == {"train": 10, "test": 2}
    assert sizes(open_data(str(tmp_path / "flowers-{train-00{0..1},val-000}.tar"))) == {"train": 10, "test": 2}
    assert sizes(open_data(str(tmp_path / "flowers-train-{000..001}.tar"))) == {"train": 8, "test": 2}
    with pytest.raises(InputError, match=r"flowers-train-002.tar: there is no such file \(1 of 3 files\)"):
        open_data(str(tmp_path / "flowers-train-{000..002}.tar"))


def test_labels_in_json_and_the_column_that_is_named(tmp_path):
    members = [
        member for k in range(12) for member in sample(k, json=json.dumps({"label": k % 2, "site": "xyz"[k % 3]}).encode())
    ]
    path = str(tar(tmp_path / "a.tar", members))
    assert open_data(path).classes == ("0", "1")
    data = open_data(path, label_column="site")
    assert data.classes == ("x", "y", "z") and set(data.splits["test"].metadata["label"]) <= {0, 1}


def test_other_members_and_hidden_ones_do_not_matter(tmp_path):
    expected = open_data(str(tar(tmp_path / "a.tar", samples())))
    others = [("README.md", b"x"), ("._000.png", b"x"), ("__MACOSX/000.png", b"x"), ("000.seg.png", b"x")]
    assert open_data(str(tar(tmp_path / "b.tar", [*samples(seg_npy=b"x"), *others]))).fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([*samples(), ("000.jpg", b"")], "example '000' has 2 images"),
        ([*samples(), ("000.png", b"")], "has two members '000.png'"),
        ([(name, data) for name, data in samples() if name.endswith("png")], "its images have no labels"),
        ([("a.txt", b"")], "contains no images"),
        ([("a.mp4", b"")], "'a' is a video, which are not read from archives"),
        ([*samples(), ("7.png", png(7)), ("7.cls", b"\xff\xfe")], "'7.cls' is not text in UTF-8"),
        ([*samples(), ("7.png", png(7)), ("7.cls", b"x" * (1 << 21))], "'7.cls' has 2,097,152 bytes, more than"),
        ([*samples(), ("7.png", png(7)), ("7.json", b"{")], "'7.json' is not JSON"),
    ],
)
def test_archives_that_are_refused(tmp_path, members, message):
    with pytest.raises(InputError, match=message):
        open_data(str(tar(tmp_path / "a.tar", members)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = tar(tmp_path / "a.tar", samples())
    with tarfile.open(path, "a") as archive:
        member = tarfile.TarInfo("009.png")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(InputError, match="'009.png' is a (link|device)"):
        open_data(str(path))


@pytest.mark.parametrize("spoil", ["header", "cut", "compressed"])
def test_damaged_archives(tmp_path, spoil):
    path = tar(tmp_path / "a.tar", samples())
    content = bytearray(path.read_bytes())
    if spoil == "header":
        with tarfile.open(path) as archive:
            content[archive.getmembers()[4].offset + 150] ^= 0xFF
    elif spoil == "cut":
        del content[3 * 512 + 9 :]
    path.write_bytes(content)
    if spoil == "compressed":
        with tarfile.open(path, "w:gz") as archive:
            archive.addfile(tarfile.TarInfo("a.png"))
    message = {"header": "is damaged at byte", "cut": "is not a complete tar", "compressed": "is compressed"}[spoil]
    with pytest.raises(InputError, match=message):
        open_data(str(path))


def test_an_archive_without_an_end_is_reported(tmp_path, listener):
    path = tar(tmp_path / "a.tar", samples())
    path.write_bytes(path.read_bytes()[: len(samples()) * 1024])
    assert sum(sizes(open_data(str(path), report=listener)).values()) == 6
    assert listener.warnings == [f"{path}: has no end, so members may be missing"]


@pytest.mark.parametrize("labels", [b"cow\nant\n", b"\xef\xbb\xbfcow\r\nant\r\n\r\n"])
def test_classes_txt_names_the_indices(tmp_path, labels):
    (tmp_path / "classes.txt").write_bytes(labels)
    assert open_data(str(tar(tmp_path / "a.tar", samples()))).classes == ("cow", "ant")
    (tmp_path / "classes.txt").write_text("cow\n")
    with pytest.raises(InputError, match="label '1' is neither the name of a class, of 1, nor the number of one"):
        open_data(str(tmp_path / "a.tar"))


def test_braces_are_those_of_a_shell():
    assert expand_braces("a-{08..11}.{x,y}") == [f"a-{k:02}.{ending}" for k in range(8, 12) for ending in "xy"]
    assert expand_braces("a{9..11}") == ["a9", "a10", "a11"] and expand_braces("plain") == ["plain"]
    for pattern in ("{0..99999999}", "{0..9999}{0..9999}"):
        with pytest.raises(InputError, match="stands for"):
            find_shards(pattern, (".tar",))


def coco(path, images=None, annotations=None, categories=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    for k in range(6):
        picture(path.parent / f"{k}.png", noise(k))
    found = {
        "images": [{"id": k, "file_name": f"{k}.png"} for k in range(6)] if images is None else images,
        "annotations": [{"image_id": k, "category_id": k % 2} for k in range(6)] if annotations is None else annotations,
        "categories": [{"id": 0, "name": "bee"}, {"id": 1, "name": "ant"}] if categories is None else categories,
    }
    path.write_text(json.dumps(found))
    return str(path)


def test_a_folder_of_sets_with_annotations_of_coco(tmp_path, listener):
    for name in ("train", "valid", "test"):
        coco(tmp_path / name / "_annotations.coco.json", categories=[{"id": k, "name": f"{k}"} for k in range(3)])
    data = open_data(str(tmp_path), report=listener)
    assert sizes(data) == {"train": 6, "test": 6, "dev": 6}
    assert data.classes == ("0", "1")


def test_images_without_annotations_are_skipped(tmp_path, listener):
    path = coco(tmp_path / "a.json", annotations=[{"image_id": k, "category_id": k % 2} for k in range(5)])
    data = open_data(path, report=listener)
    assert sum(sizes(data).values()) == 5 and data.classes == ("ant", "bee")
    assert listener.warnings == [f"{path}: skipped 1 image without a label"]
    assert len(open_data(path, unlabelled=True).x_test) == 6
    assert sizes(open_data(coco(tmp_path / "val.json"))) == {"train": 0, "test": 6}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"annotations": [{"image_id": 0, "category_id": k} for k in range(2)]},
            r"1 image with several categories \(0.png: ant, bee\)",
        ),
        ({"annotations": [{"image_id": 9, "category_id": 0}]}, "annotation 1 is of image 9, which is not among the images"),
        ({"annotations": [{"image_id": 0, "category_id": 7}]}, "annotation 1 is of category 7, which has no name"),
        ({"images": [{"id": 0}]}, "image 1 has no id or no file_name"),
        ({"images": [{"id": 0, "file_name": "a.png"}, {"id": 0, "file_name": "b.png"}]}, "have the same id"),
        ({"images": [{"id": k, "file_name": "a.png"} for k in range(6)]}, "with the file_name of another"),
        ({"images": {}}, "has no list 'images'"),
    ],
)
def test_coco_that_is_refused(tmp_path, parts, message):
    with pytest.raises(InputError, match=message):
        open_data(coco(tmp_path / "a.json", **parts))


def test_json_that_is_something_else(tmp_path):
    for content in ("{", "[" * 5000, '"x"', "{}"):
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(InputError):
            open_data(str(tmp_path / "a.json"))
    with pytest.raises(InputError, match="`label_column`"):
        open_data(coco(tmp_path / "b.json"), label_column="x")
    (tmp_path / "c.json").write_text(json.dumps([{"file": f"{k}.png", "label": k % 2} for k in range(6)]))
    assert np.bincount(open_data(str(tmp_path / "c.json")).y_train).tolist() == [2, 2]
