import pytest

from dlcli.core.text.columns import find_column, texts_of
from dlcli.support.errors import InputError
from dlcli.support.tables import Table

PROSE = ["How do I do this?", "What is the way to do that?", "Where are they all now?"]


def table(**columns):
    return Table(list(columns), [list(row) for row in zip(*columns.values(), strict=True)], name="t.csv")


def test_a_named_column_is_taken():
    assert find_column(table(a=["1"], b=["2"]), "b") == 1


def test_a_missing_column_is_refused_with_a_list_of_columns():
    with pytest.raises(InputError, match=r"t.csv: has no column 'Questions'; the columns are 'id', 'questions'") as error:
        find_column(table(id=["1"], questions=["2"]), "Questions")
    assert error.value.hint == "did you mean questions?"


def test_a_name_that_two_columns_have_is_refused():
    with pytest.raises(InputError, match="2 columns are called 'a'"):
        find_column(Table(["a", "a"], [["1", "2"]]), "a")


def test_the_only_column_is_taken_whatever_it_holds():
    assert find_column(table(n=["1", "1", "1"]), None) == 0


def test_a_known_name_goes_before_longer_text():
    assert find_column(table(body=[t * 9 for t in PROSE], Question=PROSE), None) == 1


def test_the_start_of_a_known_name_counts_only_on_text():
    assert find_column(table(question_id=["1", "2", "3"], question_en=PROSE), None) == 1
    assert find_column(Table(["id", "text_en"], []), None) == 1


def test_else_the_longest_that_reads_like_text():
    columns = {
        "url": ["https://example.org/0123456789/0123456789/" + str(k) for k in range(3)],
        "kind": ["the same long thing in each of the rows"] * 3,
    }
    assert find_column(table(**columns, short=["ab", "cd", "ef"], frage=PROSE), None) == 3


def test_without_any_text_the_columns_are_listed():
    with pytest.raises(InputError, match="no column reads like text; the columns are 'x', 'y'") as error:
        find_column(table(x=["1", "2"], y=["3", "4"]), None)
    assert error.value.hint == "name one with `column`"
    with pytest.raises(InputError, match="and 5 more"):
        find_column(Table([f"c{k}" for k in range(25)], []), None)


def test_null_and_nan_are_no_text_but_their_names_are():
    texts, nulls = texts_of(Table(["a"], [["x"], [None], [float("nan")], ["null"], ["NaN"], [7], [""]]), 0)
    assert texts == ["x", "", "", "null", "NaN", "7", ""]
    assert nulls == [1, 2]
