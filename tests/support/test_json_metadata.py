import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.support.errors import InputError
from dlcli.support.json_metadata import decode_json, read_json_metadata


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_objects_are_read_and_anything_else_is_an_empty_one(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("card") / "card.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    assert read_json_metadata(path) == (value if isinstance(value, dict) else {})


TWICE = [b'{"a": 1, "b": 2, "a": 1}', b'[{"a": {"b": 1, "b": 2}}]', b'{"a": 1, "\\u0061": 1}']


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{}", b"{'a': 1}", *TWICE])
def test_what_is_no_json_is_refused_by_name(tmp_path, content):
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(InputError, match=r"card\.json: not JSON") as caught:
        read_json_metadata(tmp_path / "card.json", hint="write it again")
    assert caught.value.hint == "write it again" and "\n" not in caught.value.message


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_finite_number_is_refused_where_that_is_wanted(constant: str):
    assert len(decode_json(f"[{constant}]", "card.json")) == 1
    with pytest.raises(InputError, match=f"{constant} is not a number"):
        decode_json(f'{{"a": [{constant}]}}', "card.json", finite=True)
