"""Members are taken out of the text of an object; what remains is the same text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.support.json_text import without_members

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(',:{}[]"\\ \u00e9', max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"{', max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.text('abc",:{}\\', max_size=3), VALUES, max_size=5),
    st.sets(st.text('abc",:{}\\', max_size=3), max_size=3),
    st.sampled_from([(",", ":"), (", ", ": "), (" , ", " :\t")]),
    st.booleans(),
)
def test_the_other_members_remain(members: dict[str, object], names: set[str], marks: tuple[str, str], ascii: bool):
    text = json.dumps(members, separators=marks, ensure_ascii=ascii)
    found = without_members(text, names)
    assert list(json.loads(found).items()) == [(name, value) for name, value in members.items() if name not in names]
    assert without_members(found, names) == found


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ('{"a":1.50,"b" : 1e400, "x": "}", "y": [1]}', '{"a":1.50,"b" : 1e400}'),
        ('{ "a": 1, "x": 2, "a": 3 }', '{"a": 1, "a": 3}'),
        ('{"x": {"a": 1}}', "{}"),
        ("{ }", "{}"),
        ('{"\\u0078": 1, "a": "\\u00e9"}', '{"a": "\\u00e9"}'),
    ],
)
def test_numbers_and_blanks_stay_as_they_are_written(text: str, rest: str):
    assert without_members(text, {"x", "y"}) == rest
