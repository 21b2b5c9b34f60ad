"""Objects of a program as tables: lists of texts, and data frames with cells of any kind."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.table_in_memory import table_in_memory
from dlcli.support.errors import InputError
from dlcli.support.in_memory import InMemory


def rows(value: object) -> list[list[str]]:
    return list(table_in_memory(InMemory("t", value)).rows)


@given(st.lists(st.none() | st.booleans() | st.integers(-9, 9) | st.text('a"\r\n,;\u2028', max_size=4), max_size=6))
def test_each_cell_of_a_frame_is_the_text_of_its_value(cells: list[object]):
    frame = pd.DataFrame({"n": range(len(cells)), "q": pd.Series(cells, dtype=object)})
    wanted = [[str(k), "" if cell is None else str(cell)] for k, cell in enumerate(cells)]
    assert rows(frame) == wanted


def test_lists_of_texts_and_nothing_else():
    assert rows(["a", None, "b"]) == rows(pd.Series(["a", np.nan, "b"])) == rows(one for one in ("a", "", "b"))
    for value in ({"q": ["a", "b"]}, {"a", "b"}, "a", b"a", 3, ["a", 3]):
        with pytest.raises(InputError):
            rows(value)
