"""A first line that is a row draws a warning; a header does not."""

import pytest

from dlcli.core.text.header_check import header_warning
from dlcli.core.text.table_input import open_table
from dlcli.support.table_format import TableFormat
from dlcli.support.tables import Table

DATA = {
    "sentence": [["How do I log in?"], ["how do I log in"], ["Where is it?"]],
    "words": [["the printer does not print"], ["no sound"]],
    "repeated": [["Acme Corp"], ["Globex"], ["ACME Corp."]],
    "number": [["17", "London"], ["18", "Paris"], ["19", "Rome"]],
    "identifier": [["q001", "What now?"], ["q002", "Why?"]],
    "date": [["2024-05-01", "Rain"], ["2024-05-02", "Sun"]],
    "address": [["Lena", "lena@example.org"], ["Jan", "jan@example.org"]],
}
HEADERS = {
    "names": [["id", "question"], ["1", "How do I log in?"], ["2", "question"]],
    "one": [["question"], ["How?"], ["Question"]],
    "form": [["Timestamp", "What is your question?"], ["2024-05-01", "How do I log in?"]],
    "years": [["country", "2023", "2024"], ["France", "1", "2"], ["Spain", "3", "4"]],
    "digits": [["id", "text2"], ["1", "How?"]],
    "no rows": [["How do I log in?"]],
}


@pytest.mark.parametrize("name", DATA)
def test_data_in_the_header_are_noticed(name: str):
    warning = header_warning(Table(DATA[name][0], DATA[name][1:], name="t.csv"))
    assert warning.startswith("t.csv: the header reads like data ('") and "`no_header`" in warning


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_not(name: str):
    assert header_warning(Table(HEADERS[name][0], HEADERS[name][1:])) == ""


@pytest.mark.parametrize("title", [["# exported on May 3", " 2024"], ["Report of May", ""], ["Report", "v2"]])
def test_a_title_that_is_taken_for_the_header_is_noticed(title: list[str]):
    rows = [["id", "Question (en)"], ["1", "How do I log in?"], ["2", "Where is it?"], ["3", ""]]
    assert header_warning(Table(title, rows, name="t.csv")).endswith("pass `skip=1` if the line before it is a title")
    assert "row 1 reads" not in header_warning(Table(title, [["none", "How?"], *rows[1:2]]))


def test_one_name_over_several_columns_is_a_title():
    rows = [["question", "answer"], ["How do I log in?", "So."]]
    assert "only the first of 2 columns has a name; pass `skip=1`" in header_warning(Table(["Report of May", ""], rows))
    for header in (["", "question"], ["id", "question"], ["id", "question", ""]):
        assert header_warning(Table(header, [[*row, "x"][: len(header)] for row in rows[1:]])) == ""


def test_the_warning_travels_with_the_table_unless_there_is_no_header(tmp_path):
    (tmp_path / "t.txt").write_text("\n".join(row[0] for row in DATA["sentence"]))
    assert len(open_table(str(tmp_path / "t.txt")).warnings) == 1
    assert open_table(str(tmp_path / "t.txt"), TableFormat(no_header=True)).warnings == ()
