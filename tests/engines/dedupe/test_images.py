"""`dlcli dedupe` on a folder of images: groups, pairs, another folder, unreadable files, and options that do not apply."""

import base64
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from dlcli.engines import dedupe
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.dedupe_images import DedupeImagesResult
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT
from tests.core.image_matching.scenes import scene


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes: one with copies of all kinds, one with a crop, and one alone."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    a, b = scene(1), scene(2)
    a.save(folder / "a.png")
    shutil.copy(folder / "a.png", folder / "more" / "same bytes.png")
    a.save(folder / "a.bmp")
    a.resize((160, 120)).save(folder / "a small.jpg", quality=60)
    ImageOps.mirror(a).convert("L").save(folder / "a mirrored.webp")
    b.save(folder / "b.jpg", quality=90)
    b.crop((20, 10, 300, 230)).save(folder / "b crop.jpg", quality=80)
    scene(3).save(folder / "c.JPG")
    return folder


def run(folder: Path, **options: object) -> DedupeImagesResult:
    result = dedupe.run(DedupeConfig(table=str(folder), **options))
    assert isinstance(result, DedupeImagesResult)
    return result


def records(result: DedupeImagesResult) -> dict[str, dict]:
    return {row["file"]: row for row in result.table.records()}


def test_every_file_has_its_group_and_what_was_done_to_it(photos: Path):
    result = run(photos)
    rows = records(result)
    assert list(rows) == sorted(path for path in rows if "/" not in path) + ["more/same bytes.png"]
    groups = {}
    for name, row in rows.items():
        groups.setdefault(row["group"], set()).add(name)
    assert sorted(map(len, groups.values())) == [1, 2, 5]
    assert all(row["group_size"] == len(groups[row["group"]]) for row in rows.values())
    canonical = next(row for row in rows.values() if row["group_size"] == 5 and row["canonical"])
    assert canonical["file"] == "a.png"  # as many pixels as others, no loss, and two files of these bytes
    assert rows["a small.jpg"]["why"] == "scaled 0.50"
    assert rows["a mirrored.webp"]["why"] == "flipped, grey"
    assert (rows["a.bmp"]["match"], rows["a.bmp"]["score"]) == ("pixels", 1.0)
    assert (rows["more/same bytes.png"]["match"], rows["more/same bytes.png"]["duplicate_of"]) == ("exact", "a.png")
    assert rows["b crop.jpg"]["why"] == "cropped to 80%"
    assert (rows["c.JPG"]["canonical"], rows["c.JPG"]["duplicate_of"], rows["c.JPG"]["why"]) == (True, None, None)
    size = (photos / "a.png").stat().st_size
    assert (rows["a.png"]["width"], rows["a.png"]["height"], rows["a.png"]["bytes"]) == (320, 240, size)


def test_the_counts_add_up(photos: Path):
    result = run(photos)
    assert result.files == 8
    assert result.files_canonical + result.files_exact + result.files_pixels + result.files_near == result.files
    assert (result.groups, result.files_canonical, result.files_near) == (2, 3, 3)
    assert [group.size for group in result.largest] == [5, 2]


def test_keep_prints_what_no_other_kept_file_is_a_copy_of(photos: Path, tmp_path: Path):
    kept = run(photos, keep=True)
    assert len(kept.table.rows) == 3
    for name in records(kept):
        shutil.copy(photos / name, tmp_path / Path(name).name)
    assert run(tmp_path).files_canonical == 3


@pytest.mark.parametrize(("rule", "expected"), [("first", "a mirrored.webp"), ("longest", None)])
def test_the_rule_chooses_the_canonical_file(photos: Path, rule: str, expected: str | None):
    rows = records(run(photos, keep_rule=rule))
    for row in rows.values():
        if row["duplicate_of"]:
            other = rows[row["duplicate_of"]]
            if rule == "first":
                assert row["file"] > other["file"]
            else:
                assert row["width"] * row["height"] <= other["width"] * other["height"]
    assert expected is None or rows[expected]["canonical"]


def test_pairs_hold_every_two_files_of_a_group_once(photos: Path):
    result = run(photos, pairs=True)
    pairs = [(row["file_a"], row["file_b"]) for row in result.table.records()]
    assert all(a < b for a, b in pairs)
    assert len(set(pairs)) == len(pairs) == 6 + 1 + 1  # four contents of a, its second file, and b
    assert ("b crop.jpg", "b.jpg") in pairs
    scores = [row["score"] for row in result.table.records()]
    assert scores == sorted(scores, reverse=True)


def test_the_original_is_canonical_whatever_its_name(tmp_path: Path):
    """Fewer pixels, then more loss, then fewer files of equal bytes, then a later time make a copy."""
    scene(1).save(tmp_path / "z.jpg", quality=90)
    original = Image.open(tmp_path / "z.jpg")
    original.save(tmp_path / "a.jpg", quality=50)
    original.resize((200, 150)).save(tmp_path / "b.png")
    original.save(tmp_path / "c.png")  # the same pixels without loss: decoded from the original
    rows = records(run(tmp_path))
    assert {row["duplicate_of"] for row in rows.values()} == {"z.jpg", None} and rows["z.jpg"]["canonical"]
    assert rows["a.jpg"]["why"] == "re-encoded" and rows["c.png"]["match"] == "pixels"


def test_a_copy_with_a_border_or_flipped_is_not_canonical_though_it_is_the_largest(tmp_path: Path):
    scene(1).save(tmp_path / "z.png")
    scene(1).save(tmp_path / "y.jpg", quality=60)
    ImageOps.expand(scene(1), 8, "white").save(tmp_path / "a.png")
    ImageOps.mirror(scene(1)).resize((640, 480)).save(tmp_path / "b.png")
    rows = records(run(tmp_path))
    assert [name for name, row in rows.items() if row["canonical"]] == ["z.png"]


def test_of_equal_pixels_the_one_with_more_files_and_then_the_older_one_is_canonical(tmp_path: Path):
    for name, level in (("a.png", 1), ("b.png", 9), ("c.png", 9)):
        scene(1).save(tmp_path / name, compress_level=level)
    rows = records(run(tmp_path))
    assert [rows[name]["match"] for name in ("a.png", "b.png", "c.png")].count("exact") == 1 and not rows["a.png"]["canonical"]
    (tmp_path / "c.png").unlink()
    for name, time in (("a.png", 1_000), ("b.png", 2_000)):
        os.utime(tmp_path / name, (time, time))
    assert records(run(tmp_path))["a.png"]["canonical"]
    os.utime(tmp_path / "a.png", (3_000, 3_000))
    assert records(run(tmp_path))["b.png"]["canonical"]


def test_files_with_equal_bytes_are_exact_duplicates_of_each_other(tmp_path: Path):
    scene(1).save(tmp_path / "large.png")
    scene(1).resize((160, 120)).save(tmp_path / "small.jpg")
    shutil.copy(tmp_path / "small.jpg", tmp_path / "small too.jpg")
    result = run(tmp_path)
    found = {name: (row["duplicate_of"], row["match"]) for name, row in records(result).items()}
    assert found["large.png"] == (None, None)
    assert found["small.jpg"] == ("large.png", "near") and found["small too.jpg"] == ("small.jpg", "exact")
    assert (result.files_exact, result.files_near, result.groups) == (1, 1, 1)


def test_what_was_done_to_colours_and_brightness_is_told(tmp_path: Path):
    scene(1).save(tmp_path / "a.png")
    scene(1).convert("L").convert("RGB").save(tmp_path / "grey.jpg")
    ImageEnhance.Brightness(scene(1)).enhance(0.85).save(tmp_path / "dark.jpg")
    rows = records(run(tmp_path))
    assert (rows["grey.jpg"]["why"], rows["dark.jpg"]["why"]) == ("grey", "darker")


def test_names_do_not_change_the_groups(photos: Path, tmp_path: Path):
    before = records(run(photos))
    renamed = {name: f"{k:02} {Path(name).suffix}" for k, name in enumerate(sorted(before, reverse=True))}
    for name, new in renamed.items():
        shutil.copy(photos / name, tmp_path / new)
    after = records(run(tmp_path))
    for name, row in before.items():
        again = after[renamed[name]]
        assert (row["group"], row["group_size"]) == (again["group"], again["group_size"])
        if row["match"] == again["match"] == "near":
            assert (row["score"], row["why"]) == (again["score"], again["why"])


def test_the_number_of_threads_changes_nothing(photos: Path, monkeypatch: pytest.MonkeyPatch):
    many = run(photos)
    monkeypatch.setattr("dlcli.core.image_matching.reading._MAX_THREADS", 1)
    assert run(photos).table.rows == many.table.rows


def test_files_of_another_folder_are_canonical(photos: Path, tmp_path: Path):
    scene(2).save(tmp_path / "known.png")
    shutil.copy(photos / "c.JPG", tmp_path / "c too.jpg")
    scene(2).resize((200, 150)).save(tmp_path / "known small.png")
    rows = records(run(photos, against=str(tmp_path)))
    assert len(rows) == 8
    assert (rows["c.JPG"]["duplicate_of"], rows["c.JPG"]["match"]) == ("c too.jpg", "exact")
    assert rows["c.JPG"]["duplicate_in"] == str(tmp_path)
    assert {rows[name]["duplicate_of"] for name in ("b.jpg", "b crop.jpg")} <= {"known.png", "known small.png"}
    assert rows["a small.jpg"]["duplicate_in"] == str(photos)
    assert len(run(photos, against=str(tmp_path), keep=True).table.rows) == 1


def test_a_folder_is_not_compared_with_itself(photos: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(photos)
    for one, other in ((photos, photos), (photos, photos / "more"), (photos / "more", photos), (photos, tmp_path / "link")):
        for entry in (dedupe.run, dedupe.plan):
            with pytest.raises(UsageError, match="`against`: .* have files in common"):
                entry(DedupeConfig(table=str(one), against=str(other)))
    shutil.copytree(photos / "more", tmp_path / "new")
    shutil.copytree(photos / "more", tmp_path / "new" / ".seen")  # whose files are none of the first folder
    assert records(run(tmp_path / "new", against=str(tmp_path / "new" / ".seen")))["same bytes.png"]["match"] == "exact"


def test_broken_hidden_and_linked_files(tmp_path: Path):
    scene(1).save(tmp_path / "a.png")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("no image either")
    (tmp_path / ".hidden.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "outside").mkdir()
    scene(2).save(tmp_path / "outside" / "b.png")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    warnings = []

    class Warned:
        note, task, stoppable = SILENT.note, SILENT.task, SILENT.stoppable
        warn = staticmethod(warnings.append)

    result = dedupe.run(DedupeConfig(table=str(tmp_path)), report=Warned())
    assert isinstance(result, DedupeImagesResult)
    assert list(records(result)) == ["a.png", "outside/b.png"]
    assert (result.files, result.files_unreadable, result.files_canonical) == (3, 1, 2)
    assert warnings == [f"{tmp_path / 'broken.jpg'}: not an image in a supported format; skipped"]


def test_flat_images_are_duplicates_if_their_pixels_are_equal(tmp_path: Path):
    for name, level in (("a.png", 9), ("b.bmp", 9), ("c.png", 10)):
        Image.new("RGB", (90, 60), (level,) * 3).save(tmp_path / name)
    rows = records(run(tmp_path))
    assert rows["b.bmp"]["match"] == "pixels" or rows["a.png"]["match"] == "pixels"
    assert rows["c.png"]["group_size"] == 1


def test_a_check_fails_if_there_is_a_duplicate(photos: Path, tmp_path: Path):
    assert "of the 8 images" in run(photos, fail_on_duplicates=True).failed
    scene(1).save(tmp_path / "a.png")
    assert run(tmp_path, fail_on_duplicates=True).failed == ""


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.5},
        {"column": "file"},
        {"vectors": "word2vec"},
        {"label": 5},
        {"index": Path("seen")},
        {"pair_columns": ("a", "b")},
        {"keep_rule": "max:bytes"},
        {"delimiter": ";"},
        {"against": "nowhere"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_that_do_not_apply_are_refused(photos: Path, options: dict):
    for entry in (dedupe.run, dedupe.plan):
        with pytest.raises(UsageError, match=f"`{next(iter(options))}"):
            entry(DedupeConfig(table=str(photos), **options))


def test_folders_without_images_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="is a folder without images"):
        run(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"")
    with pytest.raises(InputError, match="none of its 1 image can be read, for example .*broken.png: is empty"):
        run(tmp_path)


def test_the_plan_counts_files_and_opens_none(photos: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dlcli.core.image_matching.reading.read_image", None)
    lines = dedupe.plan(DedupeConfig(table=str(photos), output=Path("marked.csv")))
    assert lines[0] == f"read 8 images from {photos}"
    assert lines[-1].startswith("write all files with the columns file, width, height, bytes, group, ")


def test_the_page_shows_every_file_of_every_group(photos: Path, tmp_path: Path):
    page = tmp_path / "page.html"
    run(photos, review=page)
    text = page.read_text(encoding="utf-8")
    assert text.count('<div class="group">') == 2
    assert text.count("<figure>") == 7
    assert "http" not in re.sub(r"<meta http-equiv", "", text)
    for data in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text):
        (tmp_path / "one.jpg").write_bytes(base64.b64decode(data))
        with Image.open(tmp_path / "one.jpg") as image:
            assert max(image.size) == 160
            assert np.asarray(image).std() > 5
    assert "scaled 0.50" in text


def test_a_name_is_escaped_on_the_page_and_quoted_in_the_table(tmp_path: Path):
    for name in ("a <b>,1.png", "b.png"):
        scene(1).save(tmp_path / name)
    page = tmp_path / "page.html"
    result = run(tmp_path, review=page)
    assert "a &lt;b&gt;,1.png" in page.read_text(encoding="utf-8")
    assert "a <b>,1.png" in records(result)
