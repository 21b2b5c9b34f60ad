"""`dlcli dedupe FOLDER` at the shell: rows, a summary, a table on a terminal, and what it imports."""

import csv
import io
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.core.image_matching.scenes import scene


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    scene(1).save(folder / "a.png")
    scene(1).resize((160, 120)).save(folder / "b.jpg")
    scene(2).save(folder / "c.jpg")
    return folder


def test_rows_go_to_the_pipe_and_a_summary_to_standard_error(dlcli: Run, photos: Path):
    done = dlcli("dedupe", str(photos), "--fail-on-duplicates")
    assert done.returncode == 1
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))
    assert [(row["file"], row["duplicate_of"], row["why"]) for row in rows] == [
        ("a.png", "", ""),
        ("b.jpg", "a.png", "scaled 0.50"),
        ("c.jpg", "", ""),
    ]
    assert b"1 duplicate among 3 images in " in done.stderr
    assert b"(0 exact, 0 with equal pixels, 1 near) in 1 group; 2 canonical" in done.stderr
    assert b"1 of the 3 images in " in done.stderr


def test_the_table_shows_the_groups(dlcli: Run, photos: Path):
    done = dlcli("dedupe", str(photos), "--format", "table")
    assert [line.split() for line in done.stdout.decode().splitlines()[5:7]] == [["a.png"], ["1.00", "b.jpg", "scaled", "0.50"]]


def test_options_of_tables_are_refused_as_flags(dlcli: Run, photos: Path):
    done = dlcli("dedupe", str(photos), "--threshold", "0.5")
    assert done.returncode == 2
    assert b"--threshold does not apply to a folder of images" in done.stderr


def test_the_output_file_and_the_page_are_written(dlcli: Run, photos: Path, tmp_path: Path):
    done = dlcli("dedupe", str(photos), "--keep", "-o", "kept.jsonl", "--review", "page.html")
    assert done.returncode == 0, done.stderr
    assert not done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "kept.jsonl", "page.html"}
