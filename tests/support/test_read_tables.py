"""Input that is not what it seems: it is read all the same, or refused in one line that says where and what to do."""

import gzip
import io
import os
import pickle
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.support import read_csv
from dlcli.support.errors import InputError
from dlcli.support.read_tables import parse_table, read_table
from dlcli.support.table_format import TableFormat
from dlcli.support.tables import Table, write_csv

ROWS = "id,question\n1,What is it?\n2,caf\u00e9\n"


def parse(content: str | bytes, name: str = "in.csv", **options: object) -> Table:
    data = content if isinstance(content, bytes) else content.encode()
    return parse_table(name, data, TableFormat(**options))


def refusal(content: str | bytes, name: str = "in.csv", **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        parse(content, name, **options)
    assert caught.value.message.startswith(f"{name}: ")
    assert caught.value.hint and "\n" not in caught.value.message and len(caught.value.message) < 200
    return caught.value


@pytest.mark.parametrize("form", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(("name", "text"), [("in.csv", ROWS), ("in.jsonl", '{"id": 1, "question": "What?"}\n')])
def test_wide_encodings_are_read_by_their_mark_or_named(form: str, name: str, text: str):
    whole = parse(text, name)
    assert (found := parse(text.encode(form), name, encoding=form)).rows == whole.rows
    assert found.columns == whole.columns
    if form in ("utf-16-le", "utf-16-be"):
        assert refusal(text.encode(form), name).hint == f"pass `encoding={form}`"
    marked = text.encode(form) if form in ("utf-16", "utf-32") else ("\ufeff" + text).encode(form)
    for other in (None, "utf-8", "cp1252"):
        found = parse(marked, name, encoding=other)
        assert (found.columns, found.rows, found.mark) == (whole.columns, whole.rows, name == "in.csv")


def test_bytes_that_contradict_their_mark_are_read_as_named():
    broken = b"\xef\xbb\xbf" + "id,frage\n1,f\xfcr\n".encode("cp1252")
    assert "encoding=cp1252" in refusal(broken).hint
    found = parse(broken, encoding="cp1252")
    assert (found.columns, found.rows) == (["id", "frage"], [["1", "f\xfcr"]])


def test_a_byte_order_mark_is_no_part_of_the_first_name_in_any_encoding():
    for form in ("utf-8", "utf-16-le", "utf-16-be"):
        assert parse(("\ufeff" + ROWS).encode(form), encoding=form).columns == ["id", "question"]
    assert parse(b'\xef\xbb\xbf"id",b\n1,2\n').columns == ["id", "b"]
    assert parse(b'\xef\xbb\xbf{"a": 1}\n', name="standard input").rows == [[1]]


@pytest.mark.parametrize(("mark", "newline"), [("\ufeff", "\r\n"), ("", "\n"), ("\ufeff", "\n")])
def test_mark_and_line_ends_are_written_as_they_were(mark: str, newline: str):
    # A cell with other line ends than the table's own says nothing about the table.
    content = mark + newline.join(["id,question", '1,"a\nb"', '2,"c\r\nd"', ""])
    stream = io.StringIO(newline="")
    write_csv(parse(content), stream)
    assert stream.getvalue().replace('"', "") == content.replace('"', "")
    assert parse(stream.getvalue()).rows == [["1", "a\nb"], ["2", "c\r\nd"]]


def test_utf8_that_is_read_as_something_else_draws_a_warning():
    text = "a,b\n1,caf\u00e9\n"
    (warning,) = parse(text, encoding="latin-1").warnings
    assert warning == "in.csv: is UTF-8, but was read as latin-1; omit `encoding`"
    assert parse('{"a": "\u00e9"}', "in.jsonl", encoding="cp1252").warnings
    for encoding in (None, "utf-8", "UTF-8-SIG"):
        assert parse(text, encoding=encoding).warnings == ()
    assert parse(("\ufeff" + text).encode(), encoding="cp1252").warnings == ()
    assert parse(text.encode("cp1252"), encoding="cp1252").warnings == parse(ROWS[:20], encoding="cp1252").warnings == ()


def test_a_stray_byte_in_utf8_is_no_reason_to_take_cp1252():
    assert refusal("a,b\n1,caf\u00e9\n2,".encode() + b"\xff\n").hint.startswith("the rest is")
    assert "cp1252" in refusal(b"a,b\n1,caf\xe9\n").hint
    error = refusal(b"a,caf\xe9\n1,2\n")
    assert "header, column 'caf?': byte 0xe9" in error.message
    error = refusal(b"a,b\n1,2\n3,\x81\n", encoding="cp1252")
    assert "row 2, column 'b': byte 0x81 is not CP1252" in error.message


@given(st.lists(st.sampled_from(["x", 'a "b"', "", "c\nd", "e;f"]), min_size=1, max_size=8), st.data())
def test_a_fault_is_found_where_it_was_put(cells: list[str], data: st.DataObject):
    row = data.draw(st.integers(1, len(cells)))
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    lines = [f"{k},{cell}" for k, cell in enumerate(quoted, 1)]
    for fault, said in ((b"\xff", "byte 0xff"), (b"\0", "a NUL byte")):
        broken = [line.encode()[:-1] + fault + b'"' if k == row else line.encode() for k, line in enumerate(lines, 1)]
        assert f"row {row}, column 'text': " in (error := refusal(b"\n".join([b"id,text", *broken]))).message
        assert said in error.message


@given(st.lists(st.sampled_from(["x", 'a "b"', "", "c\nd", "e,f"]), min_size=1, max_size=8), st.data())
def test_a_bad_quote_is_found_where_it_was_put(cells: list[str], data: st.DataObject):
    place = data.draw(st.integers(0, len(cells) - 1))
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    for change, said in (
        (lambda cell: cell + "z", f"row 1 (line 2), column 'c{place}': text follows"),
        (lambda cell: cell[:-1], f"column 'c{place}': a quote opens here"),
    ):
        broken = [change(cell) if k == place else cell for k, cell in enumerate(quoted)]
        broken = broken[: place + 1] if "opens" in said else broken
        header = ",".join(f"c{k}" for k in range(len(cells)))
        assert said in refusal(f"{header}\n{','.join(broken)}").message


def test_a_bad_quote_far_down_names_its_row_and_line():
    assert "row 2 (line 4), column 'b': a quote opens" in refusal('a,b\n1,"x\ny"\n2,"z\n3,w\n').message
    assert "row 2 (line 4), column 'b': text follows" in refusal('a,b\n1,"x\ny"\n2,"z\n3,w"w\n').message


@pytest.mark.parametrize("name", ["in.csv", "in.tsv", "standard input"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_name_does_not_decide_the_delimiter(name: str, delimiter: str):
    table = parse(f"id{delimiter}question\n1{delimiter}One\n2{delimiter}Two\n", name)
    assert (table.columns, table.rows, table.delimiter) == (["id", "question"], [["1", "One"], ["2", "Two"]], delimiter)


def test_tabs_go_first_in_a_tsv():
    assert parse("first, second, third\tx\n1, 2, 3\t4\n", "in.tsv").columns == ["first, second, third", "x"]


def test_lines_under_a_name_without_delimiters_are_one_column_whatever_they_hold():
    lines = ["one, two", "a; b; c", "x | y", "no\ttab", "", "plain"]
    table = parse("question\n" + "".join(line + "\n" for line in lines))
    assert [cells[0] for cells in table.rows] == lines
    stream = io.StringIO(newline="")
    write_csv(table, stream)
    assert stream.getvalue() == 'question\n"one, two"\na; b; c\nx | y\nno\ttab\n""\nplain\n'
    assert "row 6, column 'question'" in refusal("question\n" + "\n".join(lines[:5]) + "\na,\0\n").message


def test_hundred_thousand_columns():
    width = 100_000
    table = parse(",".join(f"c{k}" for k in range(width)) + "\n" + ",".join("x" * width) + "\n")
    assert (len(table.columns), len(table.rows[0])) == (width, width)
    assert "100,000 columns: no cell for column 'c1'" in refusal(",".join(table.columns) + "\n1\n").message


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image"),
        (b"\xff\xd8\xff\xe0", "image"),
        (pickle.dumps({"question": ["What?"]}), "pickle"),
        (b"PK\x03\x04\x14\0\x06\0", "zip"),
        (b"\x28\xb5\x2f\xfd\0", "compressed"),
        (gzip.compress(gzip.compress(b"id,text\n1,a\n", mtime=0), mtime=0), "twice"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"SQLite format 3\0", "SQLite"),
        (b"t.csv".ljust(257, b"\0") + b"ustar\0", "tar"),
    ],
)
def test_what_is_no_table_is_called_by_its_name(start: bytes, said: str):
    for name in ("in.csv", "in", "in.jsonl"):
        assert said in refusal(start + bytes(range(255, 0, -1)), name).message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('<!DOCTYPE html>\n<html lang="en">\n<p>Not found\n', "HTML"),
        ("\ufeff\n<HTML>\n<table><tr><td>id, text</td></tr></table>\n", "HTML"),
        ('<?xml version="1.0"?>\n<rows>\n<row/>\n</rows>\n', "XML"),
        ("{\\rtf1\\ansi a}\n", "Rich Text"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS"),
    ],
)
def test_a_text_that_is_no_table_is_called_by_its_name(content: str, said: str):
    for name in ("in.csv", "in", "in.tsv", "in.jsonl"):
        assert said in refusal(content, name).message
    assert parse(f"text\n{content.splitlines()[0]}\n", delimiter="").rows, "only at the start"
    assert parse("<htmlx>\na\n").columns == ["<htmlx>"]


def test_other_json_is_told_how_to_become_lines():
    for content in ('[{"a": 1}, "b"]', '[{"a": 1}', '[{"a": 1}] x', '[{"a": 1} {"a": 2}]', '{\n "a": 1\n}'):
        assert "jq" in refusal(content, "in.json").hint
        assert "jq" in refusal(content, "standard input").hint
    assert parse("[id],b\n1,2\n", "standard input").columns == ["[id]", "b"]


def test_json_without_a_column_is_refused():
    for content, said in (("{}\n{}\n", "without members"), ("[{}]", "without members"), ("[]", "is empty"), ("\n", "is empty")):
        assert said in refusal(content, "in.json").message
    found = refusal("x\n\n[1]\n", "in.jsonl", skip_bad=True)
    assert "none of its 2 rows can be read; the first, in line 1: not JSON" in found.message


def test_a_cut_gzip_file_is_refused_wherever_it_is_cut(tmp_path: Path):
    whole = gzip.compress(ROWS.encode() * 50)
    path = tmp_path / "in.csv.gz"
    for length in range(2, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="broken gzip file"):
            read_table(str(path))


def test_a_pipe_is_read_like_a_file(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(ROWS,))
    writer.start()
    assert len(read_table(str(tmp_path / "pipe")).rows) == 2
    writer.join()


def test_paths_that_cannot_be_are_input_errors(tmp_path: Path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "file" / "in.csv", tmp_path / "loop", tmp_path / ("x" * 300)):
        with pytest.raises(InputError):
            read_table(str(path))


@pytest.mark.parametrize(
    ("start", "message"), [('1,"', "a quote opens here and never closes"), ('1,"a" b,\n2,"', "text follows a closing quote")]
)
def test_the_place_of_a_wrong_quote_is_found_in_a_few_passes(monkeypatch: pytest.MonkeyPatch, start: str, message: str):
    read = []
    reader = read_csv.csv_reader
    data = ("id,question\n" + start + "how do i\n" * 20_000).encode()

    def counted(text, *more, **how):
        read.append(len(text) if isinstance(text, str) else len(data))
        return reader(text, *more, **how)

    monkeypatch.setattr(read_csv, "csv_reader", counted)
    assert message in refusal(data).message
    assert sum(read) < 8 * len(data)
