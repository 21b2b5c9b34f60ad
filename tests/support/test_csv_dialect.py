"""Delimiters, quotes, headers and lines before them: found where they are certain, refused with the option where not."""

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.specs.table_options import FIELDS
from dlcli.support.errors import InputError
from dlcli.support.read_tables import parse_table
from dlcli.support.table_format import SINGLE, TableFormat, delimiter_name, delimiter_named
from dlcli.support.tables import Table, write_csv

WORDS = ["How do I log in?", "Where is my invoice?", "Costs 50% more", "a / b", "x & y, z", "12:30", "C#", "e-mail", "1;2", ""]
RARE = "%#^~:!&*+=/@$\u00a7\u00a6\x01\x1f\x1e"


def parse(content: str, name: str = "in.csv", **options: object) -> Table:
    return parse_table(name, content.encode(), TableFormat(**options))


def refusal(content: str, name: str = "in.csv", **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        parse(content, name, **options)
    named = re.findall(r"`(\w+)", caught.value.hint)
    assert named and set(named) <= set(FIELDS), caught.value.hint
    return caught.value


def joined(rows: list[list[str]], mark: str) -> str:
    return "".join(mark.join(row) + "\n" for row in rows)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|", *RARE])
@pytest.mark.parametrize("width", [2, 5])
def test_a_delimiter_is_one_that_stands_as_often_in_each_line(mark: str, width: int):
    texts = [text for text in WORDS if mark not in text]
    rows = [["id", "question", "c d", "e", "f"][:width], *([str(k), *(width - 1) * [text]] for k, text in enumerate(texts))]
    found = parse(joined(rows, mark))
    assert ([found.columns, *found.rows], found.delimiter) == (rows, mark)


@pytest.mark.parametrize("mark", RARE)
def test_a_delimiter_that_texts_hold_as_well_is_refused_by_its_name(mark: str):
    rows = [["id", "question"], ["1", "What?"], ["2", f"a{mark}b"], ["3", "How?"]]
    error = refusal(joined(rows, mark))
    assert (
        f"`delimiter={delimiter_name(mark)}`" in error.hint
        and "`delimiter=none`" in error.hint
        and "single column" in error.message
    )
    assert parse(joined(rows, mark), delimiter=SINGLE).columns == [f"id{mark}question"]
    assert parse(joined(rows[:2], mark), delimiter=mark).rows == rows[1:2]


@pytest.mark.parametrize(("mark", "other"), [("^", ","), ("&", ";"), (";", ","), ("|", ",")])
def test_two_marks_that_cut_all_rows_evenly_are_both_named(mark: str, other: str):
    rows = [["name", f"amount{other}net", "tag"], ["a", f"3{other}5", "x"], ["b", f"1{other}0", "y"]]
    content = joined(rows if mark not in ",;|" else [row[:2] for row in rows], mark)
    error = refusal(content)
    assert f"`delimiter={mark}`" in error.hint and f"`delimiter={other}`" in error.hint
    assert parse(content, delimiter=mark).columns[1] == rows[0][1]


@given(st.characters(exclude_characters="\\"))
def test_a_delimiter_can_be_typed_as_it_is_named(mark: str):
    assert delimiter_named(delimiter_name(mark)) == mark or ord(mark) > 255
    assert [delimiter_named(word) for word in ("tab", "\\t", "none", "\\", "\\x01")] == ["\t", "\t", SINGLE, "\\", "\x01"]


@given(st.lists(st.sampled_from(WORDS), min_size=3, max_size=9), st.sampled_from(["question", "What is it", "Text (en)"]))
def test_one_column_of_prose_is_read_whole_or_refused(texts: list[str], name: str):
    content = joined([[name], *([text] for text in texts)], ",")
    try:
        found = parse(content)
    except InputError as error:
        assert "`delimiter=none`" in error.hint
    else:
        assert (found.columns, found.rows) == ([name], [[text] for text in texts])
    assert parse(content, delimiter=SINGLE).rows == [[text] for text in texts]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|", "%"])
def test_a_title_line_is_refused_and_skipped(mark: str):
    table = joined([["id", "question", "tag"], ["1", "How?", "a"], ["2", "What?", "b"]], mark)
    for title in ("Report of May\n", f"Report{mark}May\n"):
        error = refusal(title + table)
        assert "`skip=1`" in error.hint or "`delimiter=none`" in error.hint
        assert parse(title + table, skip=1).columns == ["id", "question", "tag"]
    assert "`skip=1`" in refusal(f"{mark}{mark}\n" + table, delimiter=mark).hint
    assert parse("\n\n" + table).rows == parse(table).rows
    assert "is empty" in str(pytest.raises(InputError, parse, table, skip=9).value)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|", "%"])
@pytest.mark.parametrize(
    ("lines", "skip"), [("# exported\n", 1), ("#\n# of May\n", 2), ("# a\n\n# b\n\n", 3), ("# a\nMay\n", 2)]
)
def test_comments_before_the_header_are_refused_and_skipped(mark: str, lines: str, skip: int):
    table = joined([["id", "question"], ["1", "How?"], ["2", "What?"], ["3", "Who?"]], mark)
    error = refusal(lines + table)
    assert f"`skip={skip}`" in error.hint and "`delimiter=none`" in error.hint
    assert parse(lines + table, skip=skip).columns == ["id", "question"]


def test_names_with_a_hash_are_no_comments():
    texts = ["#vim", "#emacs", "#ed, or so", "how, why", "plain"]
    assert [cells[0] for cells in parse("#\n" + "".join(f"{text}\n" for text in texts)).rows] == texts


def test_lines_are_counted_from_the_start_of_the_file():
    assert "row 2 (line 5)" in refusal("t\nsep=,\na,b\n1,2\n3\n", skip=1).message
    assert parse("t\na,b\n1,2\n3\n4,5\n", skip=1, skip_bad=True).bad_rows[0].line == 4
    assert "row 1 (line 4), column 'b'" in refusal('t\nx\na,b\n1,"x" y\n', skip=2).message


@pytest.mark.parametrize("mark", [";", "|", "\t", ",", "%"])
@pytest.mark.parametrize("start", ["sep={}\r\n", '"sep={}"\r\n', "SEP={}\n"])
def test_the_line_of_excel_names_the_delimiter(mark: str, start: str):
    found = parse(start.format(mark) + joined([["id", "question"], ["1", "a"], ["2", "b"]], mark))
    assert (found.columns, found.rows, found.delimiter) == (["id", "question"], [["1", "a"], ["2", "b"]], mark)


def test_a_given_delimiter_must_stand_in_the_header():
    assert "`delimiter=none`" in refusal("id,question\n1,a\n", delimiter=";").hint
    assert parse("id,question\n1,a;b\n2,c\n", delimiter=",").rows == [["1", "a;b"], ["2", "c"]]


@given(
    st.lists(st.tuples(st.sampled_from(WORDS), st.text('a "\n,', max_size=6)), min_size=1, max_size=6), st.sampled_from(",;\t|")
)
def test_blanks_beside_quotes_are_no_part_of_cells(rows: list[tuple[str, str]], mark: str):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=mark, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([("id", "b"), *rows])
    written = stream.getvalue()
    assert parse(written, delimiter=mark, quoting="minimal").rows == [list(row) for row in rows]
    for blank in (" ", "   ", *("\t" for _ in range(mark != "\t"))):
        lines = ['"id"' + blank + mark + '"b"' + blank]
        lines += [f"{blank}{mark}".join('"' + cell.replace('"', '""') + '"' for cell in row) + blank for row in rows]
        found = parse("\n".join(lines), delimiter=mark, quoting="minimal")
        assert (found.columns, found.rows) == (["id", "b"], [list(row) for row in rows])


def test_blanks_before_quotes_are_dropped_where_they_would_cut_cells():
    assert parse('id, question\n1, "How, do I?"\n2, "x"\n').rows == [["1", "How, do I?"], ["2", "x"]]
    assert parse('"id", "question"\n1, "x"\n').columns == ["id", "question"]
    assert parse('id,question\n1, "x" or y\n2,z\n').rows == [["1", ' "x" or y'], ["2", "z"]]


@pytest.mark.parametrize("end", [",", ",,,"])
def test_delimiters_at_the_end_of_all_rows_are_dropped(end: str):
    assert parse(f"id,question\n1,How?{end}\n2,{end}\n").rows == [["1", "How?"], ["2", ""]]
    assert parse(f"id%question\n1%How?{end}\n2%a{end}\n".replace(",", "%")).rows == [["1", "How?"], ["2", "a"]]
    assert "row 1 (line 2)" in refusal(f"id,question\n1,How?{end}\n2,What?\n").message
    assert "cells where" in refusal(f"id,question\n1,How?{end}\n2,What?{end}x\n").message
    assert parse("id,question,\n1,How?\n").columns == ["id", "question"]
    assert parse("id,question,\n1,How?,\n").columns == ["id", "question", ""]


def test_quotes_that_mean_themselves():
    content = 'id\ttext\n1\t"Help" does not open\n2\t5" disk\n3\t"Where is it\n4\tother\n'
    assert "`quoting=none`" in refusal(content, "in.tsv").hint
    rows = [line.split("\t") for line in content.splitlines()]
    assert parse(content, quoting="none").rows == rows[1:]


@given(st.lists(st.tuples(*2 * [st.text('"a ;', max_size=6)]), min_size=1, max_size=5), st.sampled_from("\t|"))
def test_quotes_that_mean_themselves_are_written_as_they_were(rows: list[tuple[str, str]], mark: str):
    content = joined([["id", "b"], *map(list, rows)], mark)
    table, stream = parse(content, quoting="none", delimiter=mark), io.StringIO()
    write_csv(table, stream)
    assert stream.getvalue() == content
    write_csv(table.extend(["why"], lambda start, stop: [[f"x{mark}y\nz"]] * (stop - start)), stream := io.StringIO())
    again = parse(stream.getvalue(), quoting="none", delimiter=mark)
    assert again.rows == [[*row, "x y z"] for row in rows]
    alone = parse('question\na, b\n"c\n', quoting="none")
    write_csv(alone.extend(["n"], lambda start, stop: [[1], [2]][start:stop]), stream := io.StringIO())
    assert parse(stream.getvalue(), delimiter=",").rows == [["a, b", "1"], ['"c', "2"]]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_quote_that_joins_rows_is_refused(mark: str):
    for row in ('3,"Where is it', 'q3,"x'):
        content = f'id,text\n1,a\n{row}\n{row[:-1].split(",")[0]},other"\n5,y\n'.replace(",", mark)
        error = refusal(content)
        assert "row 2 (line 3)" in error.message and "`quoting=none`" in error.hint
        assert len(parse(content, quoting="none").rows) == 4
        assert len(parse(content, quoting="minimal").rows) == 3
    assert len(parse(f'id,text\n1,"Hello\nwell{mark} other"\n'.replace(",", mark)).rows) == 1
    words = 'lang,text\nde,a\nen,b\nen,"Where\nde,is it"\n'.replace(",", mark)
    assert "row 3 (line 4)" in refusal(words).message and len(parse(words, quoting="none").rows) == 4


@pytest.mark.parametrize("name", ["text", "lang\ttext"])
def test_lines_that_a_quote_joins_are_refused_if_another_quote_means_itself(name: str):
    start = "x\t" * name.count("\t")
    content = f'{name}\n{start}"Where is\n{"y" + chr(9) if start else ""}it"\n'
    assert len(parse(content).rows) == 1
    for stray in ('5" disk', 'so "it" is', 'x"'):
        error = refusal(f"{content}{start}{stray}\n")
        assert "`quoting=none`" in error.hint and "row 1 (line 2)" in error.message


def test_backslashes_as_databases_write_them():
    content = 'id,text\n1,"He said \\"no\\", x"\n2,\\N\n3,a\\, b\n4,"x\\ny\\tz\\\\n"\n5,a""b\n'
    assert "`quoting=backslash`" in refusal(content).hint
    texts = [text for _, text in parse(content, quoting="backslash").rows]
    assert texts == ['He said "no", x', "", "a, b", "x\ny\tz\\n", 'a""b']
    assert "`quoting=backslash`" in refusal("id,text\n1,a\\, b\n2,c\n").hint
    assert "(line 4)" in refusal('id,text\n1,"a\\nb"\n2,c\n3\n', quoting="backslash").message


def test_without_a_header_the_first_line_is_a_row():
    found = parse("1,How?\n2,What?\n", no_header=True)
    assert (found.columns, found.rows) == (["1", "2"], [["1", "How?"], ["2", "What?"]])
    prose = "Hi, how are you?\nfine\nwell, well, well\n"
    assert parse(prose, no_header=True).rows == [[line] for line in prose.splitlines()]
    assert "row 2 (line 2)" in refusal("1,a\n2\n3,c\n", no_header=True).message
    assert "row 1, column '2'" in refusal_of_nul("1,a\0\n2,b\n")


def refusal_of_nul(content: str) -> str:
    with pytest.raises(InputError) as caught:
        parse(content, no_header=True)
    return caught.value.message


@pytest.mark.parametrize("skip_bad", [False, True])
def test_mostly_bad_rows_are_not_to_be_set_apart(skip_bad: bool):
    broken = refusal("id,text\n1,a,b\n2,c,d,e\n3,f\n4\n", skip_bad=skip_bad)
    assert "more than half of the rows (3 of 4)" in broken.message
    assert "header or the delimiter is probably wrong" in broken.message
    assert "skip_bad" not in broken.hint and "`delimiter`" in broken.hint and "`skip=1`" in broken.hint
    half = refusal("id,text\n1,a,b\n2,c\n", skip_bad=False)
    assert "more than half" not in half.message and "`skip_bad=FILE`" in half.hint


def test_bad_rows_are_set_apart_by_line_number():
    found = parse('id,text\n1,a\n2,b,c\n\n3,"d\ne"\n4\n5,f\n6,g\n', skip_bad=True)
    assert found.rows == [["1", "a"], ["3", "d\ne"], ["5", "f"], ["6", "g"]]
    assert [(bad.line, bad.text) for bad in found.bad_rows] == [(3, "2,b,c"), (7, "4")]
    assert "3 cells" in found.bad_rows[0].problem and "no cell for column 'text'" in found.bad_rows[1].problem
    assert "3 cells where the header has 2 columns" in refusal("id,text\n1,a,b\n2,c,d\n3,e\n", skip_bad=True).message
    lines = parse('{"a": 1}\nx\n{"a": 2}\n', "in.jsonl", skip_bad=True)
    assert (lines.rows, [(bad.line, bad.text) for bad in lines.bad_rows]) == ([[1], [2]], [(2, "x")])


@given(
    st.lists(st.dictionaries(st.sampled_from("ab"), st.integers() | st.text("x\n\u00e9", max_size=3), min_size=1), min_size=1)
)
def test_an_array_is_read_as_its_lines_are(objects: list[dict[str, object]]):
    lines = parse("\n".join(map(json.dumps, objects)), "in.jsonl")
    for content in (json.dumps(objects), json.dumps(objects, indent=2), " " + json.dumps(objects, separators=(" ,", " :"))):
        found = parse(content, "in.json")
        assert (found.columns, found.rows, found.kind) == (lines.columns, lines.rows, "jsonl")
        assert [json.loads(text) for text in found.origin] == objects and not any("\n" in text for text in found.origin)
