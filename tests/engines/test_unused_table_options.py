"""An option that tells how a table is read is refused where it has no effect, whatever command reads the table."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from dlcli.core.text.table_input import open_table
from dlcli.engines.dedupe import run as dedupe
from dlcli.engines.eval import run as evaluate
from dlcli.engines.train import run as train
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.in_memory import InMemory
from dlcli.support.table_format import TableFormat
from tests.recording import RecordingReporter

ROWS = [{"id": str(k), "question": text} for k, text in enumerate(["Who is it?", "who is it", "Where is the caf\u00e9?"])]
VALUES = {
    "encoding": "latin-1",
    "delimiter": ";",
    "quoting": "minimal",
    "skip": 1,
    "no_header": True,
    "max_cell": 5,
    "skip_bad": True,
    "sheet": "Sheet1",
}
READ_BY = {  # what each kind of file has: text, lines of cells, a header, cells, or sheets
    "csv": {"encoding", "delimiter", "quoting", "skip", "no_header", "max_cell", "skip_bad"},
    "jsonl": {"encoding", "max_cell", "skip_bad"},
    "json": {"encoding", "max_cell", "skip_bad"},
    "parquet": {"max_cell"},
    "xlsx": {"skip", "no_header", "max_cell", "sheet"},
    "sample": set(),
    "memory": set(),
}


def table(folder: Path, kind: str, rows=ROWS) -> str:
    frame, path = pd.DataFrame(rows), folder / f"t.{kind}"
    if kind in ("sample", "memory"):
        return "questions" if kind == "sample" else InMemory("frame", frame)
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind in ("json", "jsonl"):
        frame.to_json(path, orient="records", lines=kind == "jsonl", force_ascii=False)
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_excel(path, index=False)
    return str(path)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("kind", READ_BY)
def test_an_option_is_read_by_or_refused(tmp_path, kind, name):
    source, wanted = table(tmp_path, kind), TableFormat(**{name: VALUES[name]})
    if name in READ_BY[kind]:
        try:
            open_table(source, wanted)
        except InputError:
            return  # it was applied, to a table that it does not fit
    else:
        with pytest.raises(UsageError, match=f"^`{name}` has no effect: {source} is ") as error:
            open_table(source, wanted)
        assert error.value.hint.startswith(f"omit `{name}`, which applies to ")


def test_with_two_tables_an_option_has_to_apply_to_one(tmp_path):
    ours, theirs = table(tmp_path, "parquet"), table(tmp_path, "csv")
    assert dedupe(DedupeConfig(table=ours, against=theirs, delimiter=",")).rows_read == 3
    assert dedupe(DedupeConfig(table=theirs, against=ours, skip_bad=tmp_path / "bad.csv")).rows_read == 3
    for options in ({"sheet": "Sheet1"}, {"against_encoding": "latin-1", "table": theirs, "against": ours}):
        with pytest.raises(UsageError, match=f"^`{next(iter(options))}` has no effect: .* is a "):
            dedupe(DedupeConfig(**{"table": ours, "against": theirs, **options}))
    with pytest.raises(UsageError, match="^`encoding` has no effect: "):
        dedupe(DedupeConfig(table=ours, against=theirs, encoding="latin-1", against_encoding="latin-1"))


def test_the_table_of_keys_is_read_alike(tmp_path):
    index, keys, bad = tmp_path / "index", table(tmp_path, "jsonl"), tmp_path / "bad.csv"
    dedupe(DedupeConfig(table=table(tmp_path, "csv"), index=index, key="id"))
    with pytest.raises(UsageError, match=f"^`delimiter` has no effect: {keys} is a JSON file"):
        dedupe(DedupeConfig(index=index, forget_keys=keys, delimiter=","))
    Path(keys).write_text('{"id": "1"}\n{\n')
    assert dedupe(DedupeConfig(index=index, forget_keys=keys, skip_bad=bad)).rows_removed == 1
    assert [row[1] for row in csv.reader(bad.read_text().splitlines())] == ["line", "2"]


@pytest.mark.parametrize(
    "options", [{"label": 3}, {"column": "question"}, {"prefix": "x"}, {"delimiter": ";"}, {"mask": "ids"}]
)
def test_removing_rows_refuses_options_of_tables_and_other_settings(tmp_path, options):
    source, index = table(tmp_path, "csv"), tmp_path / "index"
    dedupe(DedupeConfig(table=source, index=index, threshold=0.8))
    with pytest.raises((UsageError, InputError), match=next(iter(options))):
        dedupe(DedupeConfig(index=index, forget=(source,), **options))
    assert dedupe(DedupeConfig(index=index, forget=(source,), threshold=0.8)).rows_removed == 3


def test_labelled_pairs_and_predictions(tmp_path):
    pairs = [{"question1": f"a {k}", "question2": f"b {k % 7}", "is_duplicate": k % 2} for k in range(40)]
    with pytest.raises(UsageError, match="^`delimiter` has no effect: .* is a parquet file"):
        train(TrainConfig(data=table(tmp_path, "parquet", pairs), task="pairs", model="lexical", delimiter=";"))
    predictions = [{"truth": "ab"[k % 2], "label": "ab"[k % 3 % 2], "index": k} for k in range(12)]
    source, other = table(tmp_path, "jsonl", predictions), table(tmp_path, "csv", predictions)
    for options in ({"delimiter": ";"}, {"against": other, "sheet": "x"}):
        with pytest.raises(UsageError, match="has no effect: .* is a JSON file"):
            evaluate(EvalConfig(model=source, **options))
    assert evaluate(EvalConfig(model=source, against=other, delimiter=",")).n_images == 12


def test_bad_rows_of_predictions_are_written_and_reported_and_verified(tmp_path):
    new, old, bad = tmp_path / "new.csv", tmp_path / "old.jsonl", tmp_path / "bad.csv"
    new.write_text("index,truth,label\n" + "".join(f"{k},{'ab'[k % 2]},a\n" for k in range(12)) + "12,a,b,c\n")
    old.write_text("".join(json.dumps({"index": k, "truth": "ab"[k % 2], "label": "b"}) + "\n" for k in range(12)) + "{\n")
    found = evaluate(
        EvalConfig(model=str(new), skip_bad=bad, output=tmp_path / "out"), report=(reporter := RecordingReporter())
    )
    assert found.n_images == 12 and any("skipped 1 row" in note for note in found.notes)
    assert any("skipped 1 row" in warning for warning in reporter.warnings)
    assert [row[1] for row in csv.reader(bad.read_text().splitlines())] == ["line", "14"]
    evaluate(EvalConfig(model=str(new), against=str(old), skip_bad=bad))
    assert [row[1] for row in csv.reader(bad.read_text().splitlines())] == ["line", "14", "13"]


def test_verify_reads_a_table_as_it_was_read(tmp_path, dlcli):
    with pd.ExcelWriter(tmp_path / "both.xlsx") as writer:
        for name, label in (("first", "b"), ("second", "a")):
            pd.DataFrame({"truth": list("abab"), "label": label}).to_excel(writer, sheet_name=name, index=False)
    assert dlcli("eval", "both.xlsx", "--sheet", "second", "-o", "out").returncode == 0
    checked = dlcli("verify", "out")
    assert checked.returncode == 0, checked.stderr
