"""`label` and `labelled`: a random sample of pairs as a table, and what it tells of the table once it is completed."""

import csv
import random
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from dlcli.core.pairs.labelled import read_labelled_pairs
from dlcli.engines import dedupe
from dlcli.specs.dedupe import LABEL_COLUMNS, THRESHOLD, DedupeConfig
from dlcli.support.errors import CheckFailedError, InputError, UsageError
from dlcli.support.tables import write_csv

LOWEST = round(THRESHOLD / 2, 2)
CALLED = f"{THRESHOLD:g} to 1"

VERBS = ["reset", "change", "delete", "export", "print", "share", "open", "rename"]
NOUNS = ["password", "invoice", "calendar", "address", "report", "folder", "profile", "contract"]


@pytest.fixture
def table(tmp_path):
    """Questions, each in three ways."""
    rng = random.Random(0)
    frames = ["How do I {v} my {n}?", "how to {v} my {n}", "{v} a {n}"]
    rows = [frame.format(v=v, n=n) for v in VERBS for n in NOUNS for frame in frames]
    rng.shuffle(rows)
    path = tmp_path / "t.csv"
    path.write_text("text\n" + "".join(f'"{row}"\n' for row in rows), encoding="utf-8")
    return str(path)


def same(one, other):
    """A truth that no score knows: two in three pairs are duplicates."""
    return crc32("".join(sorted([one, other])).encode()) % 3 > 0


def fill(result, path, *, rows=None, label=lambda row: int(same(row[0], row[1]))):
    found = result.table
    for row in found.rows[:rows]:
        row[2] = label(row)
    with path.open("w", encoding="utf-8", newline="") as stream:
        write_csv(found, stream)
    return path


def truth(table, threshold, lowest=LOWEST):
    """Precision and share found, from all pairs labelled by the definition."""
    found = (dedupe.run(DedupeConfig(table=table, threshold=t, pairs=True)).table for t in (threshold, lowest))
    called, every = ([same(row["text_a"], row["text_b"]) for row in pairs.records()] for pairs in found)
    return np.mean(called), sum(called) / sum(every)


def test_half_of_the_pairs_are_at_or_above_the_threshold_and_train_reads_them(table, tmp_path):
    result = dedupe.run(DedupeConfig(table=table, label=40))
    assert result.table.columns == list(LABEL_COLUMNS) and len(result.table.rows) == 40
    assert all(row[2] is None for row in result.table.rows)
    assert [row[5] for row in result.table.rows] == 20 * [CALLED, f"{LOWEST:g} to {THRESHOLD:g}"]
    # Scores are rounded, strata are not.
    assert all(THRESHOLD <= row[3] if row[5] == CALLED else LOWEST <= row[3] <= THRESHOLD for row in result.table.rows)
    longer = dedupe.run(DedupeConfig(table=table, label=60)).table
    assert longer.rows[:40] == result.table.rows
    path = fill(result, tmp_path / "l.csv", label=lambda row: int(row[5] == CALLED))
    assert read_labelled_pairs(str(path)).duplicate.tolist() == 20 * [True, False]


def test_fewer_pairs_than_asked_for_are_explained(table):
    result = dedupe.run(DedupeConfig(table=table, label=100_000))
    why = f"no other one has a probability of {LOWEST:g} or more, half the threshold"
    assert result.notes[-1] == f"{len(result.table.rows):,} pairs to label, not 100,000: {why}"


def test_all_pairs_labelled_give_the_truth(table, tmp_path):
    path = fill(dedupe.run(DedupeConfig(table=table, label=100_000)), tmp_path / "l.csv")
    result = dedupe.run(DedupeConfig(table=table, labelled=path))
    precision, share = truth(table, THRESHOLD)
    found = result.precision, result.labelled_found
    assert [(e.low, e.value, e.high) for e in found] == [pytest.approx(3 * (value,)) for value in (precision, share)]
    assert (result.threshold, result.precision_of, result.labelled_from) == (THRESHOLD, "by labelled pairs", LOWEST)


def test_a_part_of_the_labels_gives_intervals_and_a_threshold(table, tmp_path):
    drawn = dedupe.run(DedupeConfig(table=table, label=200))
    path = fill(drawn, tmp_path / "l.csv", rows=120)
    result = dedupe.run(DedupeConfig(table=table, labelled=path))
    precision, share = truth(table, THRESHOLD)
    assert (
        result.precision.n == sum(row[5] == CALLED for row in drawn.table.rows[:120])
        and result.precision.low <= precision <= result.precision.high
    )
    assert result.labelled_found.low <= share <= result.labelled_found.high
    chosen = dedupe.run(DedupeConfig(table=table, labelled=path, precision=0.5))
    assert chosen.precision.low >= 0.5 and (chosen.threshold <= THRESHOLD) == (result.precision.low >= 0.5)
    path = fill(dedupe.run(DedupeConfig(table=table, label=200)), tmp_path / "l.csv", rows=120, label=lambda _: 0)
    with pytest.raises(CheckFailedError, match="out of reach: the lower bound by the 120 labelled pairs"):
        dedupe.run(DedupeConfig(table=table, labelled=path, precision=0.5))


def test_a_handful_of_labels_gives_no_figure(table, tmp_path):
    path = fill(dedupe.run(DedupeConfig(table=table, label=40)), tmp_path / "l.csv", rows=8)
    result = dedupe.run(DedupeConfig(table=table, labelled=path))
    assert result.precision is None and result.labelled_found is None
    with pytest.raises(CheckFailedError, match="too few are labelled"):
        dedupe.run(DedupeConfig(table=table, labelled=path, precision=0.9))


def test_labels_that_were_filled_in_are_not_overwritten(table, tmp_path):
    path = fill(dedupe.run(DedupeConfig(table=table, label=10)), tmp_path / "l.csv", rows=4)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="holds 4 labels, which would be lost"):
        dedupe.run(DedupeConfig(table=table, label=10, output=path))
    assert path.read_bytes() == before
    fill(dedupe.run(DedupeConfig(table=table, label=10)), path, label=lambda _: "")
    assert len(dedupe.run(DedupeConfig(table=table, label=10, output=path)).table.rows) == 10


def test_labels_tell_nothing_of_a_threshold_below_all_pairs_that_could_be_drawn(table, tmp_path):
    path = fill(dedupe.run(DedupeConfig(table=table, label=40, threshold=0.8)), tmp_path / "l.csv")
    for options in ({}, {"threshold": 0.2}):
        with pytest.raises(UsageError, match="is below 0.4, the smallest probability") as error:
            dedupe.run(DedupeConfig(table=table, labelled=path, **options))
        assert "`threshold=0.4` or more" in error.value.hint
    assert dedupe.run(DedupeConfig(table=table, labelled=path, threshold=0.4)).precision is not None


def test_rows_that_were_skipped_are_noted(table, tmp_path):
    path = fill(
        dedupe.run(DedupeConfig(table=table, label=60)), tmp_path / "l.csv", label=lambda row: "" if row[3] < 0.3 else 1
    )
    result = dedupe.run(DedupeConfig(table=table, labelled=path))
    assert "without a label among the others" in result.notes[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:5] + rows[6:], "are not those that `label` draws first"),
        (lambda rows: [*rows, rows[3]], "row 41: this pair stands in an earlier row"),
        (lambda rows: [[rows[0][0], "Another text", *rows[0][2:]], *rows[1:]], "row 1: this pair is not one of this table"),
        (lambda rows: [[*rows[0][:3], "0.9999", *rows[0][4:]], *rows[1:]], "row 1: this pair has a probability of 0"),
        (lambda rows: [[*rows[0][:5], "high"], *rows[1:]], "row 1: 'high' or '0."),
        (lambda rows: [[*row[:2], "", *row[3:]] for row in rows], "no pair has a label"),
        (lambda rows: [row[:3] for row in rows], "has no column 'score'"),
    ],
)
def test_what_is_no_random_sample_of_this_table_is_refused(table, tmp_path, change, message):
    path = fill(dedupe.run(DedupeConfig(table=table, label=40)), tmp_path / "l.csv")
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = list(csv.reader(stream))
    rows = change(rows)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header[: len(rows[0])], *rows])
    with pytest.raises(InputError, match=message):
        dedupe.run(DedupeConfig(table=table, labelled=path))


def test_rows_in_another_order_and_other_marks_are_the_same_sample(table, tmp_path):
    path = fill(dedupe.run(DedupeConfig(table=table, label=40)), tmp_path / "l.csv")
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = list(csv.reader(stream))
    rows = [[b, a, {"1": "yes", "0": "no"}[label], *others] for a, b, label, *others in sorted(rows)]
    with (tmp_path / "m.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=";").writerows([header, *rows])
    one, other = (dedupe.run(DedupeConfig(table=table, labelled=found)) for found in (path, tmp_path / "m.csv"))
    assert (one.precision, one.labelled_found) == (other.precision, other.labelled_found)


@pytest.mark.parametrize("more", [{}, {"fold": "strict"}])
def test_the_same_texts_in_several_blocks_are_pairs_of_their_own(table, tmp_path, more):
    texts = Path(table).read_text(encoding="utf-8").replace(" a ", " my ").splitlines()[1:]
    lines = [f"{text},{block}" for k, text in enumerate(texts) for block in ("x", "y", "z")[: 1 + k % 3]]
    blocks = tmp_path / "blocks.csv"
    blocks.write_text("text,block\n" + "\n".join(lines) + "\n", encoding="utf-8")
    config = {"table": str(blocks), "column": "text", "within": "block", **more}
    drawn = dedupe.run(DedupeConfig(**config, label=100_000))
    written = [tuple(row[:2]) for row in drawn.table.rows]
    assert len(set(written)) < len(written)
    path = fill(drawn, tmp_path / "l.csv")
    result = dedupe.run(DedupeConfig(**config, labelled=path))
    pairs = list(dedupe.run(DedupeConfig(**config, threshold=LOWEST, pairs=True)).table.records())
    right = [same(*sorted([row["text_a"], row["text_b"]])) for row in pairs if row["score"] >= THRESHOLD and row["score"] < 1]
    assert result.precision.n == len(right) and result.precision.value == pytest.approx(np.mean(right))
    short = fill(dedupe.run(DedupeConfig(**config, label=60)), tmp_path / "s.csv")
    assert dedupe.run(DedupeConfig(**config, labelled=short)).precision.n <= 60
    with short.open("a", encoding="utf-8") as stream:
        stream.write(short.read_text(encoding="utf-8").splitlines()[-1] + "\n")
    with pytest.raises(InputError, match="stands in an earlier row|are not those that `label` draws first"):
        dedupe.run(DedupeConfig(**config, labelled=short))


def test_options_that_labels_cannot_speak_of_are_refused(tmp_path):
    with pytest.raises(UsageError, match="`index` and `labelled` cannot be combined"):
        DedupeConfig(labelled=tmp_path / "l.csv", index=tmp_path)
