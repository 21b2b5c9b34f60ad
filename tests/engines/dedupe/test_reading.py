"""How tables are read by the options of dedupe: its own, and the one of `against`."""

import csv
import io
import json

import pytest

from dlcli.core.pairs.labelled import read_labelled_pairs
from dlcli.core.parquet import write_parquet
from dlcli.core.text.table_head import TableFormat
from dlcli.engines.dedupe import plan, run
from dlcli.specs.dedupe import ADDED_COLUMNS, DedupeConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.tables import write_jsonl
from tests.recording import RecordingReporter

OURS = "id,question\n1,How do I reset my password?\n2,Where is the invoice?\n"


PAIRS = "question1,question2,is_duplicate\n" + 20 * "a b,c d,1\ne f,g h,0\n" + "c,d\n"


def write(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding))
    return str(path)


def canonical(result):
    place = result.table.columns.index("canonical")
    return [row[place] for row in result.table.rows]


def test_the_other_table_has_its_own_column_encoding_and_delimiter(tmp_path):
    ours = write(tmp_path / "a.csv", OURS)
    theirs = write(tmp_path / "b.csv", "nr;subject\n1;how do I reset my password\n2;Gr\u00f6\u00dfe des Pakets?\n", "cp1252")
    with pytest.raises(InputError, match="row 2, column 'subject': byte") as error:
        run(DedupeConfig(table=ours, against=theirs))
    assert "`against_encoding=cp1252`" in error.value.hint
    with pytest.raises(InputError, match="has no column 'question'") as error:
        run(DedupeConfig(table=ours, against=theirs, against_encoding="cp1252"))
    assert error.value.hint == "name its text column with `against_column=subject`"
    options = {"against_encoding": "cp1252", "against_column": "subject"}
    for more in ({}, {"delimiter": ","}, {"column": "2"}, {"encoding": "ascii"}):
        assert canonical(run(DedupeConfig(table=ours, against=theirs, **options, **more))) == [False, True]
    assert canonical(run(DedupeConfig(table=ours, against=ours))) == [False, False]
    accented = write(tmp_path / "c.csv", OURS.replace("invoice", "\u00dcberweisung"))
    run(DedupeConfig(table=ours, against=accented, encoding="cp1252"), report=(reporter := RecordingReporter()))
    assert reporter.warnings == [f"{accented}: is UTF-8, but was read as cp1252; pass `against_encoding=utf-8`"]
    for name in options:
        with pytest.raises(UsageError, match=f"`{name}` needs `against`"):
            DedupeConfig(table=ours, **{name: options[name]})


def test_bad_rows_of_both_tables_are_written(tmp_path):
    ours, bad = write(tmp_path / "a.csv", OURS + "3,a,b\n4,Who?\n"), tmp_path / "bad.csv"
    theirs = write(tmp_path / "b.jsonl", '{"question": "Who?"}\n{\n')
    result = run(DedupeConfig(table=ours, skip_bad=bad), report=(reporter := RecordingReporter()))
    assert result.rows_read == 3 and f"{ours}: skipped 1 row, the first in line 4" in (*reporter.warnings, *result.notes)
    written = list(csv.reader(bad.read_text().splitlines()))
    assert written[1:] == [[ours, "4", "3 cells where the header has 2 columns", "3,a,b"]]
    assert canonical(run(DedupeConfig(table=ours, against=theirs, skip_bad=bad))) == [True, True, False]
    assert [(row[0], row[1]) for row in list(csv.reader(bad.read_text().splitlines()))[1:]] == [(ours, "4"), (theirs, "2")]
    run(DedupeConfig(table=write(tmp_path / "c.csv", OURS), skip_bad=bad))
    assert len(bad.read_text().splitlines()) == 1
    with pytest.raises(InputError) as error:
        run(DedupeConfig(table=ours))
    assert "`skip_bad=FILE`" in error.value.hint


def test_options_of_reading_reach_the_reader(tmp_path):
    path = write(tmp_path / "t.txt", 'title\n1|"Why" not?|x\n2|why not|"y\n')
    result = run(DedupeConfig(table=path, skip=1, no_header=True, quoting="none", delimiter="|", column="2", threshold=0.5))
    assert (result.column, canonical(result)) == ("2", [True, False])
    for word in ("tab", "\\t", "\t"):
        assert run(DedupeConfig(table=write(tmp_path / "t.tsv", OURS.replace(",", "\t")), delimiter=word)).rows_read == 2
    lines = write(tmp_path / "l.txt", "question\na|b\nc|d\ne|f\n")
    assert run(DedupeConfig(table=lines, delimiter="none", column="question")).rows_read == 3
    for delimiter in ("||", '"', "\n", ""):
        with pytest.raises(UsageError, match="is not one character"):
            DedupeConfig(delimiter=delimiter)


def test_a_header_that_reads_like_data_is_reported(tmp_path):
    path = write(tmp_path / "t.txt", "How do I log in?\nhow do I log in\nWhere is it?\n")
    result = run(DedupeConfig(table=path), report=(reporter := RecordingReporter()))
    assert len([text for text in reporter.warnings if "reads like data" in text]) == 1
    assert any("`no_header`" in note for note in result.notes)
    result = run(DedupeConfig(table=path, no_header=True))
    assert (result.rows_read, result.rows_exact, result.notes[1:]) == (3, 1, ())


def test_fields_of_objects_are_columns_and_lines_stay_as_they_were(tmp_path):
    rows = [{"id": k, "doc": {"title": text, "n": 1.50}} for k, text in enumerate(["Why not?", "why not", "Who is it?"])]
    path = write(tmp_path / "t.json", json.dumps(rows, indent=1))
    result = run(DedupeConfig(table=path))
    assert (result.column, canonical(result)) == ("doc.title", [True, False, True])
    assert [json.loads(text) for text in result.table.origin] == rows
    assert run(DedupeConfig(table=path, column="doc.title")).rows_exact == 1


def test_a_second_run_on_its_output_leaves_cells_as_they_were(tmp_path):
    texts = ["Why not?", "why not", "Who is it?"]
    path = write(tmp_path / "t.jsonl", "".join(f'{{"doc":{{"title": "{text}", "n":1.50}},  "big": 1e400}}\n' for text in texts))
    first = run(DedupeConfig(table=path))
    with (tmp_path / "u.jsonl").open("w") as stream:
        write_jsonl(first.table, stream)
    second = run(DedupeConfig(table=str(tmp_path / "u.jsonl")))
    again = io.StringIO()
    write_jsonl(second.table, again)
    assert again.getvalue() == (tmp_path / "u.jsonl").read_text() and '"n":1.50},  "big": 1e400, "group"' in again.getvalue()
    assert second.notes[0].endswith(f"computed again: {', '.join(ADDED_COLUMNS)}")


def test_a_second_run_on_its_output_leaves_types_as_they_were(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"doc": [{"title": "Why not?", "n": 1}, {"title": "why not", "n": 2}], "k": arrow.array([1, 2], arrow.int8())}
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
    for one, other in (("t", "u"), ("u", "v")):
        write_parquet(run(DedupeConfig(table=str(tmp_path / f"{one}.parquet"))).table, tmp_path / f"{other}.parquet")
    given, once, twice = (parquet.read_table(tmp_path / f"{name}.parquet") for name in "tuv")
    assert once.equals(twice) and once.select(["doc", "k"]).equals(given)


@pytest.mark.parametrize("options", [{"keep": True}, {"pairs": True}, {"label": 1}])
@pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
@pytest.mark.parametrize("call", [run, plan])
def test_the_output_does_not_replace_a_table_that_would_lose_rows(tmp_path, options, link, call):
    source, output = tmp_path / "a.csv", tmp_path / ("a.csv" if link is None else "b.csv")
    source.write_bytes(b"\xff not a table that could be read")
    if link is not None:
        getattr(output, link)(source)
    with pytest.raises(UsageError, match=f"`output`: .* is the table itself, .* `{next(iter(options))}`") as error:
        call(DedupeConfig(table=str(source), output=output, **options))
    assert error.value.hint == "write to another file"


def test_the_output_does_not_replace_another_input(tmp_path):
    ours, theirs = write(tmp_path / "a.csv", OURS), write(tmp_path / "b.csv", OURS)
    for name in ("against", "labelled"):
        with pytest.raises(UsageError, match=f"is the file of `{name}`"):
            run(DedupeConfig(table=ours, output=theirs, **{name: theirs}))


def test_the_output_may_replace_a_table_whose_rows_it_has(tmp_path):
    ours = write(tmp_path / "a.csv", OURS)
    assert len(run(DedupeConfig(table=ours, output=ours)).table.rows) == 2
    assert len(run(DedupeConfig(table=ours, output=tmp_path / "new.csv", keep=True)).table.rows) == 2


@pytest.mark.parametrize("lost", ["table", "against", "labelled", "output"])
def test_rows_set_apart_never_replace_a_file_that_is_read_or_written(tmp_path, lost):
    paths = {name: write(tmp_path / f"{name}.csv", OURS) for name in ("table", "against", "labelled", "output")}
    options = {"against": {"against": paths["against"]}, "labelled": {"labelled": paths["labelled"]}}
    config = DedupeConfig(table=paths["table"], output=paths["output"], skip_bad=paths[lost], **options.get(lost, {}))
    for begin in (run, plan):
        with pytest.raises(UsageError, match=f"^`skip_bad`: .*{lost}.csv is the .*`{lost}`"):
            begin(config)
    assert all((tmp_path / f"{name}.csv").read_text() == OURS for name in paths)


@pytest.mark.parametrize("lost", ["table", "labelled", "output", "skip_bad"])
def test_the_page_never_replaces_a_file_that_is_read_or_written(tmp_path, lost):
    paths = {name: write(tmp_path / f"{name}.html", OURS) for name in ("table", "labelled", "output", "skip_bad")}
    config = DedupeConfig(**{"table": paths["table"], lost: paths[lost], "review": paths[lost]})
    for begin in (run, plan):
        with pytest.raises(UsageError, match=f"^`review`: .*{lost}.html is the .*`{lost}`"):
            begin(config)
    assert all((tmp_path / f"{name}.html").read_text() == OURS for name in paths)


def test_a_column_of_the_other_table_that_is_blank_draws_a_warning(tmp_path):
    ours, theirs = write(tmp_path / "a.csv", OURS), write(tmp_path / "b.csv", "nr,question\n1,\n2, \n")
    run(DedupeConfig(table=ours, against=theirs), report=(reporter := RecordingReporter()))
    (warning,) = reporter.warnings
    assert warning.startswith(f"{theirs}: column 'question' is blank in every row") and "`against_column=NAME`" in warning


def test_rows_set_apart_never_replace_the_labelled_pairs_of_a_training(tmp_path):
    path = write(tmp_path / "pairs.csv", PAIRS)
    with pytest.raises(UsageError, match="is a table that is read, which would be lost"):
        read_labelled_pairs(path, table_format=TableFormat(skip_bad=True), bad_rows=tmp_path / "pairs.csv")
    assert (tmp_path / "pairs.csv").read_text() == PAIRS
