"""Sheets of workbooks are read whole, with the types of their cells; what is not a workbook is refused."""

import io
import re
import sys
import tracemalloc
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dlcli.core.parquet import read_parquet
from dlcli.core.text.table_input import open_table
from dlcli.core.workbook import read_workbook
from dlcli.support import memory
from dlcli.support.errors import InputError, MissingExtraError, ResourceError
from dlcli.support.table_format import TableFormat
from dlcli.support.tables import cell_text

ROWS = [["id", "question", "when"], [1, "How do I log in?", datetime(2024, 5, 1)], [2.5, "007", None], [True, None, "x"]]


def book(**sheets: list[list[Any]]) -> bytes:
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


def read(data: bytes, **options: object):
    return read_workbook("t.xlsx", data, TableFormat(**options))


def test_cells_keep_their_types():
    table = read(book(One=ROWS))
    assert ([table.columns, *table.rows], table.kind, table.warnings) == (ROWS, "xlsx", ())
    assert [cell_text(cell) for cell in table.rows[0]] == ["1", "How do I log in?", "2024-05-01 00:00:00"]


def with_values(data: bytes, **values: str) -> bytes:
    """The workbook with values stored in the cells of formulas, as a spreadsheet program stores texts."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            part = source.read(name).decode()
            for cell, value in values.items() if name == "xl/worksheets/sheet1.xml" else ():
                part = re.sub(rf'<c r="{cell}">(<f>.*?</f>)<v ?/>', rf'<c r="{cell}" t="str">\1<v>{value}</v>', part)
            target.writestr(name, part)
    return packed.getvalue()


def test_formulas_have_the_values_that_are_stored_and_none_is_lost():
    rows = [["id", "question"], [1, '="How do I "&"log in?"'], [2, '=""'], [3, "=B2"]]
    data, other = book(a=rows), [["x"], ["=1+1"]]
    with pytest.raises(InputError, match=r"sheet 'a', cell B2: a formula without a stored value \(3 in all\)"):
        read(data)
    with pytest.raises(InputError, match=r"cell B4: .* \(1 in all\)"):
        read(with_values(data, B2="How?", B3=""))
    full = with_values(book(a=rows, b=other), B2="How?", B3="", B4="How?")
    assert read(full, sheet="a").rows == [[1, "How?"], [2, ""], [3, "How?"]], "what other sheets hold does not matter"
    assert read(book(a=[["=NOW()"], ["id"], [1]]), skip=1).rows == [[1]]


def test_empty_rows_and_columns_at_the_end_are_no_part_of_it():
    rows = [[], [None, None], [*ROWS[0], None, ""], [], [*ROWS[1], None], ROWS[2][:2], [""]]
    table = read(book(One=rows))
    assert (table.columns, table.rows) == (ROWS[0], [ROWS[1], [2.5, "007", None]])


def test_options_of_tables_apply():
    table = read(book(One=[["Report", None, None], *ROWS]), skip=1)
    assert (table.columns, table.rows) == (ROWS[0], ROWS[1:])
    table = read(book(One=ROWS[1:]), no_header=True)
    assert (table.columns, table.rows) == (["1", "2", "3"], ROWS[1:])
    with pytest.raises(InputError, match="row 1, column 'question': a cell of 16 characters"):
        read(book(One=ROWS), max_cell=10)


def test_other_sheets_are_reported_or_named():
    data = book(Empty=[], First=ROWS, Second=[["text"], ["a"]])
    table = read(data)
    assert table.rows == ROWS[1:]
    assert table.warnings == ("t.xlsx: read sheet 'First' only, not 'Second'; another: `sheet=NAME`",)
    assert (read(data, sheet="Second").columns, read(data, sheet="Second").warnings) == (["text"], ())
    with pytest.raises(InputError, match="has no sheet 'Secnd'") as error:
        read(data, sheet="Secnd")
    assert error.value.hint == "did you mean Second?"
    with pytest.raises(InputError, match="sheet 'Empty' is empty"):
        read(data, sheet="Empty")


def test_rows_beyond_the_stated_dimensions_are_read():
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book(One=ROWS))) as old, zipfile.ZipFile(data, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'ref="A1:C4"', b'ref="A1:A2"'))
    assert read(data.getvalue()).rows == ROWS[1:]


def test_it_is_found_by_name_or_content(tmp_path: Path):
    for name in ("t.xlsx", "t.bin"):
        (tmp_path / name).write_bytes(book(One=ROWS))
        assert open_table(str(tmp_path / name)).rows == ROWS[1:]


def test_a_title_above_the_header_draws_a_warning(tmp_path: Path):
    (tmp_path / "t.xlsx").write_bytes(book(One=[["Report of May"], *ROWS]))
    (warning,) = open_table(str(tmp_path / "t.xlsx")).warnings
    assert "only the first of 3 columns has a name; pass `skip=1`" in warning
    assert open_table(str(tmp_path / "t.xlsx"), TableFormat(skip=1)).warnings == ()


def test_what_is_not_a_workbook_is_refused():
    pytest.importorskip("openpyxl")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    for data in (stream.getvalue(), stream.getvalue()[:30], book(One=ROWS)[:-100]):
        with pytest.raises(InputError, match=r"t\.xlsx: not a workbook"):
            read(data)


def test_without_its_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"reading \.xlsx") as error:
        open_table(str(tmp_path / "t.xlsx"))
    assert "excel" in str(error.value) and error.value.hint.startswith("pip install ")


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml"])
def test_a_part_that_unpacks_to_a_huge_text_is_read_no_further(part: str):
    old, new = zipfile.ZipFile(io.BytesIO(book(One=ROWS))), io.BytesIO()
    with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in {*old.namelist(), part}:
            content = old.read(name) if name in old.namelist() else b"<sst>"
            archive.writestr(name, content + b"a" * (50 << 20) if name == part else content)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"t\.xlsx: a cell of more than 1,000,000 characters"):
        read(new.getvalue())
    assert tracemalloc.get_traced_memory()[1] < 45 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml"])
@pytest.mark.parametrize("damage", ["cut", "empty", "checksum", "encrypted", "deep"])
def test_a_damaged_part_is_an_input_error(part: str, damage: str):
    old, new = zipfile.ZipFile(io.BytesIO(book(One=ROWS))), io.BytesIO()
    with zipfile.ZipFile(new, "w") as archive:
        for name in old.namelist():
            content = old.read(name)
            if name == part:
                content = {"cut": content[:-9], "empty": b"", "deep": b"<a>" * 100_000}.get(damage, content)
            archive.writestr(name, content)
    data = bytearray(new.getvalue())
    entry = data.rindex(part.encode()) - 46
    data[entry + {"checksum": 16, "encrypted": 8}.get(damage, 0)] ^= damage in ("checksum", "encrypted")
    try:
        assert read(bytes(data)).columns == ROWS[0]  # what is damaged may not matter
    except InputError as error:
        assert "t.xlsx: not a workbook" in error.message


def test_rows_that_a_parquet_file_only_declares_are_counted_first(monkeypatch: pytest.MonkeyPatch):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    stream = io.BytesIO()
    parquet.write_table(arrow.table({"question": arrow.nulls(10_000_000, arrow.string())}), stream)
    assert len(stream.getvalue()) < 100_000
    monkeypatch.setattr(memory, "available_memory", lambda: 500 << 20)
    with pytest.raises(ResourceError, match="a table of 10,000,000 rows"):
        read_parquet("t.parquet", stream.getvalue())


def test_cells_of_parquet_have_the_limit_of_other_tables():
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    stream = io.BytesIO()
    parquet.write_table(arrow.table({"question": ["a", "b" * 1001]}), stream)
    assert len(read_parquet("t.parquet", stream.getvalue(), TableFormat(max_cell=1001)).rows) == 2
    with pytest.raises(InputError, match=r"t\.parquet: row 2, column 'question': a cell of 1,001 characters"):
        read_parquet("t.parquet", stream.getvalue(), TableFormat(max_cell=1000))


def test_bytes_in_parquet_are_texts_if_they_are_utf_8():
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"text": ["Stra\u00dfe".encode(), None, b""], "picture": [b"\x89PNG", b"\xff", None]}
    stream = io.BytesIO()
    parquet.write_table(arrow.table({name: arrow.array(cells, arrow.binary()) for name, cells in columns.items()}), stream)
    table = read_parquet("t.parquet", stream.getvalue())
    assert table.rows == [["Stra\u00dfe", b"\x89PNG"], [None, b"\xff"], ["", None]]
    assert table.origin.schema.field("text").type == arrow.binary()


def test_a_damaged_name_in_parquet_is_an_input_error():
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    stream = io.BytesIO()
    parquet.write_table(arrow.table({"question": ["a"]}), stream, store_schema=False)
    with pytest.raises(InputError, match="a damaged parquet file"):
        read_parquet("t.parquet", stream.getvalue().replace(b"question", b"quest\xffon"))


def test_the_message_about_a_damaged_workbook_holds_none_of_its_content():
    data = bytearray(book(a=ROWS))
    place = data.index(b"docProps/core.xml") - 4  # the length of that name
    data[place : place + 2] = b"\xff\x07"
    with pytest.raises(InputError, match="not a workbook") as caught:
        read(bytes(data))
    assert len(str(caught.value)) < 300
