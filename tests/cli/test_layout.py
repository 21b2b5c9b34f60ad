"""What is drawn on a terminal: the answer first, within the screen, and nothing lost or broken."""

import fcntl
import pty
import re
import struct
import subprocess
import termios
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len

from dlcli.cli.command import TerminalTable
from dlcli.cli.layout import COMMAND_INDENT, lines, wrapped
from dlcli.cli.markdown import markdown
from dlcli.cli.pictures import Sketch, bar, curve
from tests.cli.results import CASES, Place, table_of
from tests.cli.test_contract import on_terminal
from tests.conftest import Start

WIDTH, HEIGHT = 80, 30
INTERVAL = re.compile(r"[-+]?[\d.]+%? \[[-+]?[\d.]+, [-+]?[\d.]+\]")


@pytest.fixture(scope="module")
def tables() -> dict[str, TerminalTable]:
    """The tables that were asked for so far."""
    return {}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("results"))


@pytest.fixture(params=CASES)
def table(
    request: pytest.FixtureRequest,
    tables: dict[str, TerminalTable],
    place: Place,
    cache_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> TerminalTable:
    """The table of each command, made once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    if request.param not in tables:
        tables[request.param] = table_of(request.param, place)
    return tables[request.param]


def screen(table: TerminalTable, width: int, *, verbose: bool = False, pictures: bool = True) -> list[str]:
    return [line.text for line in lines(table, width, verbose=verbose, pictures=pictures)]


def words(text: str) -> Counter[str]:
    return Counter(text.split())


def test_the_answer_comes_first_and_all_is_within_the_screen(table: TerminalTable):
    seen = screen(table, WIDTH)
    answer = table.answer.split()
    assert answer and " ".join(seen[:3]).split()[: len(answer)] == answer
    assert len(seen) <= HEIGHT - 3  # the command, the file that was written, the next prompt
    assert all(cell_len(line) <= WIDTH for line in seen)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_row_and_note_is_whole_with_verbose(table: TerminalTable, width: int):
    seen = screen(table, width, verbose=True)
    text = "\n".join(seen)
    # The path of the data may be longer than a narrow screen, and is not broken.
    assert all(cell_len(line) <= width or max(map(cell_len, line.split())) > width for line in seen)
    found = words(text)
    for one in (table, *table.details):
        for cell in (cell for row in one.rows for cell in row if not isinstance(cell, Sketch)):
            assert words(cell).keys() <= found.keys(), cell
            interval = INTERVAL.search(cell)
            assert interval is None or re.search(re.escape(interval[0]).replace(r"\ ", " +"), text), cell
    for sentence in (table.answer, table.title, *table.notes):
        assert words(sentence).keys() <= found.keys() | {"\\"}, sentence


def test_a_terminal_without_unicode_gets_no_pictures(table: TerminalTable):
    plain = "\n".join(screen(table, WIDTH, pictures=False))
    drawn = {cell for row in table.rows for cell in row if isinstance(cell, Sketch) and cell}
    assert not any(picture in plain for picture in drawn)


def test_two_notes_and_what_verbose_adds_at_most(table: TerminalTable):
    many = replace(table, notes=tuple(f"Note {k}." for k in range(5)))
    seen = screen(many, 1000)
    assert sum(line.startswith("Note") for line in seen) == 2
    assert "3 more notes" in seen[-1]
    assert sum(line.startswith("Note") for line in screen(many, 1000, verbose=True)) == 5


def test_markdown_is_one_table_with_every_row(table: TerminalTable):
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown(table))
    tables, rows = (sum(token.type == kind for token in tokens) for kind in ("table_open", "tr_open"))
    assert (tables, rows) == (1, 1 + len(table.rows))
    cells = [token.children for k, token in enumerate(tokens) if tokens[k - 1].type == "td_open"]
    texts = ["".join(part.content for part in children or ()) for children in cells]
    assert texts == [" ".join(cell.split()) for row in table.rows for cell in row]
    assert tokens[1].children and any(part.type == "strong_open" for part in tokens[1].children)


@given(st.text(st.sampled_from("ab *|_[]<>`#~\\\n1."), min_size=1))
def test_markdown_reads_back_as_the_text(text: str):
    table = TerminalTable("", ("a", "b"), ((text, "1"),))
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown(table))
    cells = [token for k, token in enumerate(tokens) if tokens[k - 1].type == "td_open"]
    shown = "".join(part.content for part in cells[0].children or ())
    assert shown == text.replace("\n", "\\n").strip()


SHOWN = st.text(st.sampled_from("abc -+0123.,[]"), max_size=120)


@given(SHOWN, st.integers(10, 90))
def test_wrapping_breaks_between_words_only(text: str, width: int):
    found = wrapped(text, width)
    assert " ".join(found).split() == text.split()
    # A line that is too long is one word, or a figure with its interval.
    assert all(len(line) <= width or " " not in line.strip() or "[" in line for line in found)


@pytest.mark.parametrize("text", ["97.0 [95.3, 98.1]", "96.0% [94.1, 97.3]", "+0.7 points [-1.1, +2.5],", "0.00 [-0.04, 0.04]"])
def test_an_interval_is_never_broken(text: str):
    for before in range(40):
        assert any(text in line for line in wrapped(f"{'a' * before} {text} after it", 40))


def test_a_command_that_is_continued_is_the_same_for_a_shell():
    command = "dlcli train --data 'my images/with a long name' --model digits-net --with elu --versus baseline --seeds 5"
    found = wrapped(f"Try:\n{COMMAND_INDENT}{command}", 40)
    assert found[0] == "Try:" and all(line.endswith("\\") for line in found[1:-1]) and len(found) > 3
    script = 'dlcli() { printf "%s|" "$@"; }\n'
    said = [subprocess.run(["sh", "-c", script + text], capture_output=True).stdout for text in (command, "\n".join(found[1:]))]
    assert said[0] == said[1] and said[0].startswith(b"train|--data|my images/with")


def test_figures_of_a_column_stand_under_each_other():
    table = TerminalTable("", ("a", "b"), (("x", "100.0 [94.1, 100.0]"), ("y", "8.0 [4.1, 9.0]")))
    first, second = screen(table, 80)[-2:]
    assert first.index("100.0") + len("100.0") == second.index("8.0") + len("8.0")
    assert first.index("[") == second.index("[")


def test_letters_of_two_cells_stay_within_their_column():
    table = TerminalTable("", ("row", "text"), (("1", "深度学习" * 20), ("2", "abc")))
    seen = screen(table, 40)
    assert all(cell_len(line) <= 40 for line in seen)
    assert "".join(seen).count("学") == 20


@given(st.floats(0, 1))
def test_a_bar_is_as_long_as_its_share(share: float):
    drawn = bar(share)
    eighths = sum("▏▎▍▌▋▊▉█".index(letter) + 1 for letter in drawn)
    assert abs(eighths / 80 - share) <= 1 / 160 + 1e-9


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_a_curve_is_as_high_as_its_values(values: list[float]):
    drawn = curve(values, 0, 1)
    assert len(drawn) == len(values)
    heights = ["▁▂▃▄▅▆▇█".index(letter) for letter in drawn]
    assert all(a <= b for (x, a) in zip(values, heights, strict=True) for (y, b) in zip(values, heights, strict=True) if x < y)


LINES = {
    "dedupe": ("dedupe", "questions"),
    "dedupe, a file": ("dedupe", "questions", "-o", "marked.csv", "--review", "review.html"),
    "train": ("train", "--epochs", "1", "--device", "cpu", "-o", "run"),
    "list": ("list", "attacks"),
}
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def drawn(start_dlcli: Start, environment: dict[str, str], *arguments: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What stands on a terminal of 80 x 30 in the end, without bars and lines that are gone."""
    opened = pty.openpty

    def with_size() -> tuple[int, int]:
        parent, child = opened()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        return parent, child

    monkeypatch.setattr(pty, "openpty", with_size)
    seen = on_terminal(start_dlcli, *arguments, env=environment).decode().replace("\r\n", "\n")
    rows = [line.rpartition("\x1b[2K")[2].rpartition("\x1b[K")[2] for line in seen.split("\n")]
    return [_ESCAPES.sub("", row).strip("\r") for row in rows]


@pytest.mark.parametrize("name", LINES)
def test_the_program_keeps_to_the_screen(
    name: str, start_dlcli: Start, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    seen = drawn(start_dlcli, environment, *LINES[name], monkeypatch=monkeypatch)
    assert all(cell_len(line) <= WIDTH for line in seen), seen
    assert len(seen) <= HEIGHT or name == "list"
    if name == "dedupe, a file":
        assert {"wrote marked.csv", "wrote review.html"} <= set(seen)
        assert (tmp_path / "marked.csv").exists() and (tmp_path / "review.html").exists()
    if name == "train":
        last = next(line for line in seen if line.startswith("wrote "))
        named = set(last.removeprefix("wrote ").removesuffix(" to run").split(", "))
        assert named == {path.name for path in (tmp_path / "run").iterdir() if path.name[0] != "."}


_OPTIONS = st.lists(st.sampled_from(["--lr 0.001", "--optimizer adam", "--ema 0.99"]), min_size=1, unique=True)


@given(st.integers(60, 140), _OPTIONS)
def test_units_and_values_of_options_stay_with_what_they_belong_to(width: int, options: list[str]):
    variant = " ".join(options)
    head = ("variant", "test accuracy, %", "training, %", "minus the best", "verdict", variant)
    rows = ((variant, "97.2 [95.0, 98.1]", "99.0", "-1.8 [-3.0, +1.2]", "not established", "1"),)
    seen = screen(TerminalTable("", head, rows), width)
    assert all(len(line) <= width for line in seen)
    assert not re.search(r"\| %|--\S+ \|", " | ".join(re.split(r" {2,}", "  ".join(seen)))), seen
    # A name stands on the left, though it begins with a dash.
    assert any(line.startswith(f" {options[0]}") for line in seen)
