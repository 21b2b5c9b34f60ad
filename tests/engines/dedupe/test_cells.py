"""Rows compared in cells: the output of one process, whatever the number of processes and interruptions."""

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dlcli.core.text.search import budget
from dlcli.core.text.vectors.encoders import tfidf
from dlcli.engines.dedupe import against as against_table
from dlcli.engines.dedupe import candidates, cells, resume
from dlcli.engines.dedupe.candidates import PairSearch
from dlcli.engines.dedupe.engine import run
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support import memory
from dlcli.support.errors import InputError, MemoryLimitError, ResourceError, UsageError
from dlcli.support.reporter import SILENT, Reporter
from tests.conftest import ROOT
from tests.core.text.search.test_neighbours import generated_keys
from tests.engines.test_training_notes import Listener

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cells") / "table.csv"
    texts = generated_keys(2500)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["number", "text"], *([k, text.title()] for k, text in enumerate([*texts, *texts[:50]]))])
    return path


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "dlcli", "dedupe", *map(str, words)]


def dlcli(*words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(*words), env=ENVIRONMENT, capture_output=True, text=True, check=False)


def same_but_for_time(table: Path, **options) -> dict[str, object]:
    result = run(DedupeConfig(table=str(table), candidates=0.4, **options))
    return {name: value for name, value in vars(result).items() if name not in ("seconds", "table")} | {
        "columns": result.table.columns,
        "rows": result.table.rows,
    }


def projected(spec: str, keys: list[str], device: str) -> np.ndarray:
    """Dense vectors that are alike where those of tfidf are."""
    sparse = tfidf.vectors(keys)
    dense = sparse @ np.random.default_rng(0).standard_normal((sparse.shape[1], 32), np.float32)
    return np.asarray(dense / np.linalg.norm(dense, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pairs": True, "threshold": 0.9},
        {"label": 40},
        {"precision": 0.5},
        {"keep": True, "fold": "strict"},
        {"within": "half"},
        {"within": "half", "dense": True},
    ],
    ids=str,
)
def test_cells_give_what_one_join_gives(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict):
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    with (tmp_path / "t.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([*row, "half" if k == 0 else k % 2] for k, row in enumerate(rows))
    monkeypatch.setattr(cells, "_block_count", lambda size, texts, workers: 3)
    # With the errors of the shipped score the lower bound of no threshold is 0.5 on this table.
    monkeypatch.setattr("dlcli.engines.dedupe.scores.precision_error", lambda config: (-0.5, 0.5))
    options = {"column": "text", **options}
    if options.pop("dense", False):
        monkeypatch.setattr(candidates, "make_vectors", projected)
    found = same_but_for_time(tmp_path / "t.csv", **options)
    with monkeypatch.context() as patch:
        patch.setattr(PairSearch, "in_cells", False)
        assert same_but_for_time(tmp_path / "t.csv", **options) == found


def test_a_join_that_takes_long_is_cut_into_cells_of_seconds(table: Path, monkeypatch: pytest.MonkeyPatch):
    assert cells._blocks_for_time(1.0) == 1
    for seconds in (300.0, 20_000.0):
        number = cells._blocks_for_time(seconds)
        assert seconds / (number * (number + 1) / 2) <= 8.0 < seconds / ((number - 1) ** 2 / 2)
    assert cells._blocks_for_time(1e9) == resume.MOST_BLOCKS
    whole, cut = same_but_for_time(table), []
    real = cells.write_blocks
    monkeypatch.setattr(cells, "_WORTH_S", 0.0)
    monkeypatch.setattr(cells, "_CELL_S", 1e-3)
    monkeypatch.setattr(cells, "write_blocks", lambda *args, **more: cut.append(args[3]) or real(*args, **more))
    assert same_but_for_time(table) == whole
    assert cut[0] > 3


@pytest.mark.parametrize(("jobs", "sizes"), [(10, [1] * 10), (4, [3, 1, 3, 2, 1]), (0.1, [4, 3, 2, 1])])
def test_cells_of_a_block_are_scored_together(table: Path, monkeypatch: pytest.MonkeyPatch, jobs: float, sizes: list[int]):
    whole, seen = same_but_for_time(table, pairs=True), []
    real = cells.CellJob.__call__
    monkeypatch.setattr(cells, "_block_count", lambda size, texts, workers: 4)
    monkeypatch.setattr(cells, "_job_count", lambda workers, seconds: jobs)
    monkeypatch.setattr(cells.CellJob, "__call__", lambda job, some, report: seen.append(some) or real(job, some, report))
    assert same_but_for_time(table, pairs=True) == whole
    assert [len(some) for some in seen] == sizes
    assert all(len({first for first, _ in some}) == 1 for some in seen)


def test_jobs_are_for_all_workers_and_not_too_long():
    assert cells._job_count(1, 0.5) == 1
    assert cells._job_count(3, 0.5) >= 3 * cells._CELLS_EACH
    assert 1000 / cells._job_count(1, 1000.0) <= cells._CELL_S


@pytest.mark.parametrize("against", [False, True])
def test_in_one_search_too_what_will_not_fit_is_said_before_it(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, against: bool
):
    other = None
    if against:
        (tmp_path / "other.csv").write_text("text\nsomething else\n")
        other = str(tmp_path / "other.csv")
    found = run(DedupeConfig(table=str(table), column="text", candidates=0.4, against=other))
    monkeypatch.setattr(PairSearch, "in_cells", False)
    monkeypatch.setattr(budget, "PAIR_BYTES", 1 << 50)
    monkeypatch.setattr(budget, "similar_pairs", None)
    monkeypatch.setattr(against_table, "cross_pairs", None)
    with pytest.raises(MemoryLimitError, match="pairs that have a cosine of 0.4 or more, needs") as error:
        run(DedupeConfig(table=str(table), column="text", candidates=0.4, against=other))
    said = re.search("about ([0-9,]+) pairs", str(error.value))
    assert said is not None
    assert int(said[1].replace(",", "")) == pytest.approx(found.candidates, rel=0.5)


def test_the_commands_of_the_documentation_run(tmp_path: Path):
    page = (ROOT / "docs" / "scale.md").read_text()
    lines = [
        line for line in re.findall(r"(?:^\$ |`)(dlcli dedupe [^`\n]+)", page, flags=re.MULTILINE) if "--cluster" not in line
    ]
    assert len(lines) == 3
    for line in lines:
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(line)],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"marked.csv", "distinct.csv"}


def test_the_review_page_is_the_same(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pages = [tmp_path / "one.html", tmp_path / "other.html"]
    for page, in_cells in zip(pages, (True, False), strict=True):
        with monkeypatch.context() as patch:
            if not in_cells:
                patch.setattr(PairSearch, "in_cells", False)
            run(DedupeConfig(table=str(table), column="text", candidates=0.4, review=page))
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_the_number_of_processes_makes_no_difference(table: Path, tmp_path: Path):
    outputs = [tmp_path / f"{workers}.csv" for workers in (1, 3)]
    for output, workers in zip(outputs, (1, 3), strict=True):
        done = dlcli(table, "--candidates", 0.5, "--workers", workers, "-o", output)
        assert done.returncode == 0, done.stderr
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["1.csv", "3.csv"]
    words = command(table, "--candidates", 0.5, "--workers", 3)
    assert subprocess.run(words, env=ENVIRONMENT, capture_output=True, check=True).stdout == outputs[0].read_bytes()


def killed(table: Path, output: Path, *words: object) -> set[str]:
    """Start a run, kill it once it has stored two cells, and return the names of those that it has stored."""
    folder = Path(f"{output}.parts")
    with subprocess.Popen(command(table, *words, "-o", output), env=ENVIRONMENT, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while len(list(folder.glob("cell-*.npz"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    return {file.name for file in folder.glob("cell-*.npz")}


def test_a_run_that_was_killed_goes_on(table: Path, tmp_path: Path):
    """A stored cell has a count that no join gives, which shows that it is not computed again."""
    output, whole = tmp_path / "out.csv", tmp_path / "whole.csv"
    options = ("--candidates", 0.3, "--workers", 2)
    assert dlcli(table, *options, "-o", whole).returncode == 0
    stored = killed(table, output, *options)
    assert 2 <= len(stored) < 10
    files = [tmp_path / "out.csv.parts" / name for name in stored]
    counts = [stored_count(file, more=1_000_000) for file in files]
    done = dlcli(table, *options, "--resume", "-o", output, "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == whole.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["out.csv", "whole.csv"]
    assert min(counts) > 0


def stored_count(file: Path, more: int) -> int:
    """Add to the number of candidates that a stored cell has; the number before."""
    with np.load(file) as part:
        arrays = dict(part)
    found = int(arrays["found"])
    np.savez(file, **(arrays | {"found": np.array(found + more)}))
    return found


@pytest.fixture
def interrupted(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DedupeConfig:
    """The options of a run that ended after two of six cells."""
    config = DedupeConfig(table=str(table), column="text", candidates=0.4, output=tmp_path / "out.csv")
    monkeypatch.setattr(cells, "_block_count", lambda size, texts, workers: 3)
    monkeypatch.setattr(cells, "_job_count", lambda workers, seconds: 6)
    join = cells.BlockFolder.join
    with monkeypatch.context() as patch:

        def stop(blocks: cells.BlockFolder, first: int, second: int):
            if (first, second) == (0, 2):
                raise KeyboardInterrupt
            return join(blocks, first, second)

        patch.setattr(cells.BlockFolder, "join", stop)
        with pytest.raises(KeyboardInterrupt):
            run(config)
    assert resume.stored_cells(config) == 2
    return config


def again(config: DedupeConfig, **options: object) -> DedupeConfig:
    return DedupeConfig(**{**vars(config), "resume": True, **options})


def test_finished_cells_are_not_joined_again(interrupted: DedupeConfig, monkeypatch: pytest.MonkeyPatch):
    whole = run(DedupeConfig(**{**vars(interrupted), "output": None}))
    for file in Path(f"{interrupted.output}.parts").glob("cell-*.npz"):
        stored_count(file, more=1_000_000)
    monkeypatch.setattr(cells, "_block_count", lambda size, texts, workers: 5)  # as with another number of workers
    found = run(again(interrupted, keep_rule="longest"))
    assert found.candidates == whole.candidates + 2_000_000
    assert not Path(f"{interrupted.output}.parts").exists()


def test_pairs_to_label_are_among_those_that_finished_cells_keep(interrupted: DedupeConfig):
    whole = run(DedupeConfig(**{**vars(interrupted), "output": None, "label": 5}))
    assert [*run(again(interrupted, label=5)).table.rows] == [*whole.table.rows]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 0.5}, r"`threshold=0\.35`, not 0\.5$"),
        ({"candidates": 0.5}, r"`candidates=0\.4`, not 0\.5"),
        ({"precision": 0.9}, r"with no `precision`, not 0\.9$"),
        ({"column": "number"}, r"with `column=text`, not number$"),
        ({"within": "number"}, r"with no `within`, not number$"),
        ({"mask": ("numbers",), "precision": 0.9}, r"with no `mask`, not numbers, and no `precision`, not 0\.9$"),
        ({"fold": "strict"}, r"with `fold=text`, not strict$"),
        ({"no_header": True, "column": "2"}, r"with `column=text`, not 2, and no `no_header`, not with it$"),
    ],
)
def test_cells_of_other_options_are_refused(interrupted: DedupeConfig, options: dict, words: str):
    with pytest.raises(UsageError, match=words):
        run(again(interrupted, **options))
    assert resume.stored_cells(interrupted) == 2


def test_cells_of_another_content_of_the_table_are_refused(interrupted: DedupeConfig):
    path = Path(str(interrupted.table))
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + " indeed\n")
    with pytest.raises(UsageError, match="with another content of the table$"):
        run(again(interrupted))


def test_without_resume_the_run_starts_over(interrupted: DedupeConfig):
    for file in Path(f"{interrupted.output}.parts").glob("cell-*.npz"):
        file.write_bytes(b"of another run")
    found = run(interrupted)
    assert found.candidates == run(DedupeConfig(**{**vars(interrupted), "output": None})).candidates


@pytest.mark.parametrize("content", [b"", b"PK\3\4 nothing", "other numbers", "too few"])
def test_a_damaged_cell_is_named(interrupted: DedupeConfig, content: bytes | str):
    file = Path(f"{interrupted.output}.parts") / "cell-000-001.npz"
    with np.load(file) as part:
        arrays = dict(part)
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        arrays |= {"second": arrays["second"] + 10_000} if content == "other numbers" else {"first": arrays["first"][1:]}
        np.savez(file, **arrays)
    with pytest.raises(InputError, match=r"cell-000-001\.npz: damaged"):
        run(again(interrupted))


def test_a_damaged_record_is_named(interrupted: DedupeConfig):
    (Path(f"{interrupted.output}.parts") / "run.json").write_text(json.dumps({"blocks": "many"}))
    with pytest.raises(InputError, match=r"run\.json"):
        run(again(interrupted))


def test_an_interrupted_run_tells_what_is_kept(table: Path, tmp_path: Path):
    output = tmp_path / "out.csv"
    with subprocess.Popen(
        command(table, "--candidates", 0.3, "--workers", 2, "-o", output), env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    ) as process:
        while not list(Path(f"{output}.parts").glob("cell-*.npz")) and process.poll() is None:
            time.sleep(0.002)
        process.terminate()
        talk = process.stderr.read() if process.stderr else ""
    assert process.returncode == 143
    assert re.search(r"finished parts? of the comparison (is|are) kept; continue with --resume", talk)
    assert not list(Path(f"{output}.parts").glob("shared-*"))


def test_a_failure_of_the_machine_keeps_what_is_finished(interrupted: DedupeConfig, monkeypatch: pytest.MonkeyPatch):
    def fail(blocks: cells.BlockFolder, first: int, second: int):
        raise ResourceError("the disk is full")

    monkeypatch.setattr(cells.BlockFolder, "join", fail)
    notes = []
    with pytest.raises(ResourceError), resume.cells_kept(interrupted, recording(notes)):
        run(again(interrupted))
    assert resume.stored_cells(interrupted) == 2
    assert notes == ["2 finished parts of the comparison are kept; continue with `resume`"]


def recording(notes: list[str]) -> Reporter:
    """A reporter that records notes."""
    names = ("warn", "task", "stoppable", "log")
    return type("Report", (), {"note": staticmethod(notes.append), **{name: getattr(SILENT, name) for name in names}})()


def test_parts_are_beside_the_file_that_is_written(table: Path, tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "folder" / "real.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    places = {"link.csv": tmp_path / "folder" / "real.csv.parts", "other.csv": tmp_path / "other.csv.parts", "pipe.csv": None}
    for name, place in places.items():
        assert resume.parts_folder(DedupeConfig(table=str(table), output=tmp_path / name)) == place
    with (tmp_path / "printed.csv").open("wb") as stream:
        words = command(table, "--candidates", 0.6, "-o", "/dev/stdout", "--format", "csv")
        done = subprocess.run(words, env=ENVIRONMENT, stdout=stream, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "printed.csv").read_text(encoding="utf-8").startswith("number,text,group")
    assert not Path("/dev/stdout.parts").exists() and not (tmp_path / "printed.csv.parts").exists()


def test_resume_needs_an_output_and_a_single_table(table: Path):
    with pytest.raises(UsageError, match="`resume` needs `output=FILE`"):
        DedupeConfig(table=str(table), resume=True)
    for name, value in (("resume", True), ("workers", 2), ("cluster", "auto")):
        for earlier in ({"against": str(table)}, {"index": Path("index")}):
            with pytest.raises(UsageError, match=f"`{name}` does not apply to `index` and `against`"):
                DedupeConfig(table=str(table), output=Path("out.csv"), **{name: value}, **earlier)
    DedupeConfig(table=str(table), workers=1, against=str(table))


def test_a_search_that_is_not_cut_says_that_workers_are_not_used(table: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cells, "SECOND_SEARCH", 100)
    monkeypatch.setattr(PairSearch, "in_cells", False)
    listener = Listener()
    run(DedupeConfig(table=str(table), workers=2, candidates=0.6), report=listener)
    assert any("`workers` is not used" in note for note in listener.notes)


def test_a_run_without_anything_stored_starts_over(table: Path, tmp_path: Path):
    notes: list[str] = []
    report = recording(notes)
    run(DedupeConfig(table=str(table), column="text", candidates=0.5, output=tmp_path / "o.csv", resume=True), report=report)
    assert [note for note in notes if "starts over" in note]


def test_what_does_not_fit_into_memory_is_refused_before_the_join(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def joined(blocks: cells.BlockFolder, first: int, second: int):
        raise AssertionError("joined")

    monkeypatch.setattr(cells.BlockFolder, "join", joined)
    monkeypatch.setattr(memory, "available_memory", lambda: 40_000_000)
    with pytest.raises(
        MemoryLimitError, match=r"comparing 2,5\d\d rows, .*needs [\d.]+ [MG]B of memory, and 40.0 MB are available"
    ):
        run(DedupeConfig(table=str(table), column="text", candidates=0.4, output=tmp_path / "out.csv"))
    assert not list(tmp_path.iterdir())


def test_the_number_of_pairs_is_expected_as_it_is(table: Path, monkeypatch: pytest.MonkeyPatch):
    """A sixth of the rows are drawn."""
    expected = []
    monkeypatch.setattr(cells, "check_will_fit", lambda rows, pairs, number, **options: expected.append(pairs))
    found = run(DedupeConfig(table=str(table), column="text", candidates=0.7, pairs=True))
    assert expected[0][0] == pytest.approx(found.candidates, rel=0.3)
    assert 0 < expected[0][1] <= expected[0][0]
