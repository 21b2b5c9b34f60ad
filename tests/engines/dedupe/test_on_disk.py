"""Tables that lie on disk: the output of one that is held in memory, and nothing left behind."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dlcli.core.text import distinct, on_disk, stored_texts
from dlcli.engines.dedupe.engine import run
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support import bounded_read, read_tables, row_store, table_content
from tests.conftest import ROOT
from tests.core.text.search.test_neighbours import generated_keys

SMALL = {
    row_store: {"_IN_MEMORY": 0, "AT_ONCE": 64},
    stored_texts: {"_IN_MEMORY": 0, "_AT_ONCE": 100},
    on_disk: {"_IN_MEMORY": 0},
    distinct: {"_SORTED": 200, "_AT_ONCE": 90},
    table_content: {"_CHUNK": 1000},
    bounded_read: {"_HELD": 0},
    read_tables: {"_SMALL": 0},
}
"""Sizes with which everything of a small table lies on disk."""
PROGRAM = "\n".join(
    [
        "from importlib import import_module",
        *(
            f"import_module({module.__name__!r}).{name} = {value}"
            for module, all_ in SMALL.items()
            for name, value in all_.items()
        ),
        "from dlcli.cli.app import main",
        "main()",
    ]
)


@contextmanager
def on_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module, sizes in SMALL.items():
            for name, value in sizes.items():
                patch.setattr(module, name, value)
        yield


@pytest.fixture(scope="module")
def rows() -> list[list[str]]:
    texts = generated_keys(900)
    found = [[str(k), text.title() if k % 3 else f'"{text}",\n{text[:4]}'] for k, text in enumerate([*texts, *texts[:80]])]
    return [["number", "text"], *found, ["980", ""], ["981", " ? "]]


def write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        if path.suffix == ".jsonl":
            for k, row in enumerate(rows[1:]):
                stream.write(json.dumps(dict(zip(rows[0], row, strict=True)) | ({"more": [k]} if k % 5 else {})) + "\n")
        else:
            csv.writer(stream, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\r\n").writerows(rows)
    return path


def dlcli(*words: object, program: str = PROGRAM, temporary: Path, stdin: Path | None = None) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    command = [sys.executable, "-c", program, "dedupe", *map(str, words)]
    with (stdin or Path(os.devnull)).open("rb") as stream:
        return subprocess.Popen(command, env=environment, stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize(
    "options", [{}, {"keep": True}, {"pairs": True}, {"mask": ("numbers",)}, {"within": "number"}], ids=str
)
def test_a_table_on_disk_gives_what_one_in_memory_gives(tmp_path: Path, rows: list[list[str]], ending: str, options: dict):
    numbers = ["number", *(str(k % 3 if "within" in options else k) for k in range(len(rows) - 1))]
    table = write(tmp_path / f"t.{ending}", [[number, text] for number, (_, text) in zip(numbers, rows, strict=True)])
    config = DedupeConfig(table=str(table), column="text", candidates=0.5, **options)

    def found() -> tuple[object, ...]:
        result = run(config)
        facts = {name: value for name, value in vars(result).items() if name not in ("seconds", "table")}
        return (
            facts,
            result.table.columns,
            list(result.table.rows),
            list(result.table.origin or []),
            list(result.table.origin_rows),
        )

    in_memory = found()
    with on_the_disk():
        assert found() == in_memory


def test_files_and_streams_give_the_same_bytes_and_leave_nothing(tmp_path: Path, rows: list[list[str]]):
    table, temporary = write(tmp_path / "t.csv", rows), tmp_path / "temporary"
    temporary.mkdir()
    options = ("--column", "text", "--candidates", 0.5)
    plain = "from dlcli.cli.app import main\nmain()"
    wanted = dlcli(table, *options, program=plain, temporary=temporary).communicate()[0]
    assert wanted.count(b"\r\n") > 900
    assert dlcli(table, *options, temporary=temporary).communicate()[0] == wanted
    with dlcli("-", *options, "-o", tmp_path / "out.csv", temporary=temporary, stdin=table) as process:
        assert process.communicate()[1].count(b"duplicates among") == 1
    assert (tmp_path / "out.csv").read_bytes() == wanted
    assert sorted(os.listdir(tmp_path)) == ["out.csv", "t.csv", "temporary"]
    assert not os.listdir(temporary)


def test_an_error_leaves_nothing(tmp_path: Path, rows: list[list[str]]):
    table = write(tmp_path / "t.csv", rows)
    with dlcli(table, "--keep-rule", "max:text", "-o", tmp_path / "out.csv", temporary=tmp_path) as process:
        assert b"neither a number nor a date" in process.communicate()[1]
    assert process.returncode == 3
    assert os.listdir(tmp_path) == ["t.csv"]


def open_files(process: int) -> list[str]:
    """The files that a process has open; one that it closes in the meantime is left out."""
    found = []
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(os.readlink(link))
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed in /proc")
@pytest.mark.parametrize(("sent", "left"), [(signal.SIGINT, []), (signal.SIGTERM, []), (signal.SIGKILL, ["out.csv.parts"])])
def test_a_signal_leaves_nothing_but_what_resume_needs(tmp_path: Path, rows: list[list[str]], sent: int, left: list[str]):
    """Scratch files are on the disk of the output, and have no name while the run is at work."""
    table, output, temporary = write(tmp_path / "t.csv", rows), tmp_path / "on" / "out.csv", tmp_path / "temporary"
    temporary.mkdir()
    output.parent.mkdir()
    waiting = (
        "from dlcli.core.text.search.cells import BlockFolder\nimport time\nBlockFolder.join = lambda *cell: time.sleep(60)\n"
    )
    words = (table, "--column", "text", "--candidates", 0.5, "--workers", 1, "-o", output)
    with dlcli(*words, program=waiting + PROGRAM, temporary=temporary) as process:
        deadline = time.monotonic() + 60
        while not list(output.parent.glob("out.csv.parts/shared-*/texts.ends.npy")) and time.monotonic() < deadline:
            time.sleep(0.01)
        opened = open_files(process.pid)
        process.send_signal(sent)
        process.communicate()
    assert len([name for name in opened if name.startswith(str(output.parent)) and name.endswith("(deleted)")]) > 3
    assert process.returncode in (-sent, 128 + sent)
    assert [name for name in os.listdir(output.parent) if not name.endswith(".lock")] == left
    assert not os.listdir(temporary)
