"""Objects in cells become columns, and only they."""

from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.nested import flatten
from dlcli.support.tables import Table

VALUES = st.recursive(
    st.none() | st.integers() | st.text("ab", max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)


def table(cells: list[object]) -> Table:
    return Table(["id", "doc"], [[k, cell] for k, cell in enumerate(cells)], kind="jsonl", origin_columns=2)


def leaves(name: str, cell: object) -> dict[str, object]:
    if not isinstance(cell, dict):
        return {name: cell}
    return {path: leaf for key, value in cell.items() for path, leaf in leaves(f"{name}.{key}", value).items()}


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_what_is_not_null_stands_under_its_path(cells: list[object]):
    found = flatten(table(cells))
    assert found.origin_columns == len(found.columns) == len(set(found.columns))
    assert [row[0] for row in found.rows] == list(range(len(cells)))
    for row, cell in zip(found.rows, cells, strict=True):
        named = {k: v for name, value in zip(found.columns[1:], row[1:], strict=True) for k, v in leaves(name, value).items()}
        wanted = {k: v for k, v in leaves("doc", cell).items() if v is not None}
        assert {k: v for k, v in named.items() if v is not None} == wanted


def test_columns_of_several_kinds_and_names_that_are_taken_stay():
    for cells in ([{"a": 1}, "x"], [{"a": 1}, [1]], [{str(k): k for k in range(101)}], ["x", None]):
        assert flatten(table(cells)) == table(cells)
    taken = Table(["doc", "doc.a"], [[{"a": 1}, 2]])
    assert flatten(taken) == taken
    assert flatten(table([{"title": "a", "meta": {"n": 1}}, None])).columns == ["id", "doc.title", "doc.meta.n"]
