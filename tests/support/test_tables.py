"""Reading and writing tables: every cell comes back as it was, every error names its place."""

import csv
import gzip
import io
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.support.errors import DlcliError, InputError, UsageError
from dlcli.support.read_tables import read_table
from dlcli.support.table_format import TableFormat
from dlcli.support.tables import Table, cell_text, write_csv, write_jsonl

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def refusal(path: Path, content: str | bytes, **options: object) -> DlcliError:
    with pytest.raises(DlcliError) as caught:
        read_table(write(path, content), TableFormat(**options))
    assert "\n" not in caught.value.message
    return caught.value


@given(st.lists(st.tuples(CELL, CELL), max_size=8), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))
def test_csv_cells_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str, newline: str
):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "text"), *rows])
    path = write(tmp_path_factory.mktemp("csv") / "in.csv", stream.getvalue())
    table = read_table(path, TableFormat(delimiter=delimiter))
    assert (table.columns, [tuple(row) for row in table.rows]) == (["id", "text"], rows)
    again = io.StringIO(newline="")
    write_csv(table, again)
    parsed = list(csv.reader(io.StringIO(again.getvalue(), newline=""), delimiter=delimiter))
    assert [tuple(row) for row in parsed[1:]] == rows


@given(st.lists(st.dictionaries(CELL, st.none() | st.booleans() | st.integers() | CELL, min_size=1, max_size=3), min_size=1))
def test_jsonl_rows_keep_their_text(tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, object]]):
    lines = [json.dumps(found) for found in objects]
    table = read_table(write(tmp_path_factory.mktemp("jsonl") / "in.jsonl", "\n".join(lines)))
    backwards = range(len(lines) - 1, -1, -1)
    stream = io.StringIO()
    write_jsonl(table.extend(["\0added"], lambda start, stop: [[k] for k in range(start, stop)]).take(backwards), stream)
    for line, k in zip(stream.getvalue().splitlines(), backwards, strict=True):
        assert line.startswith(lines[k][:-1])
        assert json.loads(line) == {**objects[k], "\0added": k}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(tmp_path: Path, delimiter: str):
    path = write(tmp_path / "in.csv", f"id{delimiter}text\n1{delimiter}why\n2{delimiter}how\n")
    assert read_table(path).columns == ["id", "text"]


def test_the_delimiter_of_the_header_wins_over_one_in_the_text(tmp_path: Path):
    assert read_table(write(tmp_path / "in.csv", "id\ttext\n1\tone, two\n2\tx, y\n")).rows == [["1", "one, two"], ["2", "x, y"]]


def test_one_column_of_prose_is_not_cut_at_its_commas(tmp_path: Path):
    assert read_table(write(tmp_path / "in.csv", 'question\n"Well, why?"\nHow?\n')).rows == [["Well, why?"], ["How?"]]


def test_plain_and_gzip_and_bom_are_the_same(tmp_path: Path):
    content = "id,text\n1,caf\u00e9\n"
    plain = read_table(write(tmp_path / "a.csv", content))
    packed = read_table(write(tmp_path / "a.csv.gz", gzip.compress(content.encode())))
    marked = read_table(write(tmp_path / "b.csv", b"\xef\xbb\xbf" + content.encode()))
    assert (plain.columns, plain.rows) == (packed.columns, packed.rows) == (marked.columns, marked.rows)


def test_na_and_numbers_are_text(tmp_path: Path):
    rows = [["NA", "007"], ["null", "1e5"], ["None", " 1 "], ["", "nan"]]
    path = write(tmp_path / "in.csv", "a,b\n" + "".join(f"{a},{b}\n" for a, b in rows))
    assert read_table(path).rows == rows


def test_blank_lines_are_no_rows_but_in_a_single_column_they_are(tmp_path: Path):
    assert read_table(write(tmp_path / "two.csv", "a,b\n1,2\n\n3,4\n")).rows == [["1", "2"], ["3", "4"]]
    assert read_table(write(tmp_path / "one.csv", "a\n1\n\n3\n")).rows == [["1"], [""], ["3"]]


def test_other_encodings(tmp_path: Path):
    for encoding in ("cp1252", "utf-16"):
        path = write(tmp_path / "in.csv", "id,text\n1,caf\u00e9\n".encode(encoding))
        assert read_table(path, TableFormat(encoding=encoding)).rows == [["1", "caf\u00e9"]]


def test_not_utf8_names_row_column_and_flag(tmp_path: Path):
    error = refusal(tmp_path / "in.csv", b"id,text\n1,fine\n2,caf\xe9\n")
    assert "row 2, column 'text'" in error.message and "0xe9" in error.message and "encoding=cp1252" in error.hint


def test_nul_names_row_and_column(tmp_path: Path):
    assert "row 1, column 'text'" in refusal(tmp_path / "in.csv", "id,text\n1,a\0b\n").message
    # In JSON a raw NUL is a NUL byte in the file; \u0000 is an ordinary escape and passes.
    assert "row 2" in refusal(tmp_path / "in.jsonl", '{"t": "x"}\n{"t": "a\0b"}\n').message


@pytest.mark.parametrize(("line", "said"), [("2,b,c,d", "4 cells"), ("2,b", "no cell for column 'note'")])
def test_ragged_rows(tmp_path: Path, line: str, said: str):
    error = refusal(tmp_path / "in.csv", f"id,text,note\n1,a,b\n{line}\n")
    assert "row 2 (line 3)" in error.message and said in error.message


def test_long_cell_names_row_and_column(tmp_path: Path):
    error = refusal(tmp_path / "in.csv", "id,text\n1,a\n2," + "x" * 10_000_000 + "\n")
    assert "row 2, column 'text'" in error.message and "10,000,000" in error.message and "max_cell=10000000" in error.hint
    assert len(read_table(str(tmp_path / "in.csv"), TableFormat(max_cell=10_000_000)).rows[1][1]) == 10_000_000


@pytest.mark.parametrize(
    ("content", "said"),
    [('a,b\n1,"open\n2,x\n', "row 1"), ('a,b\n1,x\n2,"y"z\n', "row 2"), ("", "is empty"), ('"a,b\n', "header")],
)
def test_broken_csv(tmp_path: Path, content: str, said: str):
    assert said in refusal(tmp_path / "in.csv", content).message


@pytest.mark.parametrize(
    ("content", "said"),
    [('{"a": 1}\n{"a": \n', "row 2: not JSON"), ('{"a": 1}\n[1]\n', "row 2: JSON, but not an object"), ("\n", "is empty")],
)
def test_broken_jsonl(tmp_path: Path, content: str, said: str):
    assert said in refusal(tmp_path / "in.jsonl", content).message


def test_deep_json_is_refused(tmp_path: Path):
    refusal(tmp_path / "in.jsonl", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}")


def test_broken_gzip(tmp_path: Path):
    whole = gzip.compress(b"id,text\n" + b"1,x\n" * 1000)
    for broken in (whole[:40], whole[:-4] + b"abcd"):
        assert "broken gzip" in refusal(tmp_path / "in.csv.gz", broken).message


def test_what_is_not_a_file(tmp_path: Path):
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            read_table(str(path))
    with pytest.raises(UsageError, match="utf-9"):
        read_table(write(tmp_path / "in.csv", "a\n1\n"), TableFormat(encoding="utf-9"))


def test_take_and_without(tmp_path: Path):
    table = read_table(write(tmp_path / "in.csv", "a,b,c\n1,2,3\n4,5,6\n"))
    assert table.take([1]).rows == [["4", "5", "6"]]
    assert (table.without(2).columns, table.without(2).rows) == (["a"], [["1"], ["4"]])


def test_cell_text():
    assert [cell_text(value) for value in ("NA", None, True, 1.5, ["a"])] == ["NA", "", "true", "1.5", '["a"]']


def test_what_json_has_no_word_for_is_text_or_null():
    cells = [date(2024, 2, 29), Decimal("1.50"), float("nan"), [float("inf"), {"a": float("nan")}]]
    table = Table(list("abcd"), [cells])
    stream = io.StringIO()
    write_jsonl(table, stream)
    assert json.loads(stream.getvalue(), parse_constant=pytest.fail) == {
        "a": "2024-02-29",
        "b": "1.50",
        "c": None,
        "d": [None, {"a": None}],
    }
    assert [cell_text(cell) for cell in cells[:2]] == ["2024-02-29", "1.50"]


def test_columns_that_share_a_name_are_kept_by_csv_and_refused_by_json():
    table = Table(["a", "b", "a"], [["1", "2", "3"]], name="in.csv")
    stream = io.StringIO()
    write_csv(table, stream)
    assert stream.getvalue() == "a,b,a\n1,2,3\n"
    with pytest.raises(InputError, match="in.csv: 2 columns are called 'a'"):
        write_jsonl(table, io.StringIO())
