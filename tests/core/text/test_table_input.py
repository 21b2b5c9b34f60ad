import gzip
import json
import sys

import pytest

from dlcli.core.text.table_input import open_table
from dlcli.support.errors import InputError, MissingExtraError


def test_the_embedded_sample_is_opened_by_name():
    table = open_table("questions")
    assert (table.name, table.columns) == ("questions", ["id", "question"])
    texts = [question for _, question in table.rows]
    assert len(texts) >= 100
    assert "" in texts
    assert any("," in text and "\n" in text for text in texts)


def test_csv_plain_and_zipped_are_the_same(tmp_path):
    plain, zipped = tmp_path / "t.csv", tmp_path / "t.csv.gz"
    plain.write_text("id,question\n007,NA\n")
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert open_table(str(plain)).rows == open_table(str(zipped)).rows == [["007", "NA"]]


@pytest.mark.parametrize("ending", [".parquet", ".pq", ".parquet.gz"])
def test_parquet_keeps_types(tmp_path, ending):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / f"t{ending}"
    parquet.write_table(pa.table({"id": [1, None], "text": ["a", None]}), tmp_path / "t")
    data = (tmp_path / "t").read_bytes()
    path.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)
    table = open_table(str(path))
    assert (table.columns, table.rows, table.kind) == (["id", "text"], [[1, "a"], [None, None]], "parquet")


def test_parquet_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="reading parquet") as error:
        open_table(str(tmp_path / "t.parquet"))
    assert error.value.hint.startswith("pip install 'pyarrow")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ({"data": [{"id": 1, "text": "a b"}, {"id": 2, "text": "b"}], "total": 2}, "jq -c '.\"data\"[]'"),
        ({"id": [1, 2], "text": ["a b", "b"]}, "orient='records'"),
        ({"id": {"0": 1, "1": 2}, "text": {"0": "a b", "1": "b"}}, "orient='records'"),
        ({"id": 1, "text": "a b"}, ""),
        ({"doc": {"title": "a b", "body": "b"}, "id": 1}, ""),
        ({"text": "a b", "tags": ["x", "y"]}, ""),
    ],
)
def test_an_object_that_holds_the_rows_draws_a_warning(tmp_path, content, wanted):
    (tmp_path / "t.json").write_text(json.dumps(content))
    warnings = open_table(str(tmp_path / "t.json")).warnings
    assert len(warnings) == bool(wanted) and all(wanted in warning for warning in warnings)
    (tmp_path / "t.json").write_text(2 * (json.dumps(content) + "\n"))
    assert not open_table(str(tmp_path / "t.json")).warnings


def test_a_missing_file_is_named(tmp_path):
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(InputError, match=f"{name}: there is no such file"):
            open_table(str(tmp_path / name))
