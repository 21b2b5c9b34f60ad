"""`dlcli eval NEW --against OLD`, with networks and tables whose answers are known beforehand."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlcli.cli.commands.eval import COMMAND as EVAL
from dlcli.engines import eval
from dlcli.specs.eval import EvalConfig
from dlcli.support.errors import InputError, NumericError, UsageError
from tests.engines.eval.test_engine import READER, images
from tests.recording import RecordingReporter

SWAPPED = """
class Careless(Reader):
    \"\"\"The same, but class 1 where the last pixel of the first row is set.\"\"\"

    def forward(self, x):
        return super().forward(x) + 9 * x[:, 0, 0, -1:] * torch.tensor([0.0, 1.0])


class Broken(Reader):
    \"\"\"NaN where the last pixel of the first row is set.\"\"\"

    def forward(self, x):
        return super().forward(x) + torch.where(x[:, 0, 0, -1:] > 0, torch.nan, 0.0)
"""


@pytest.fixture
def both(tmp_path: Path) -> dict[str, str]:
    """Of 200 images of two classes, Reader is right on all but 10 of `b`; Careless breaks 12 of `a` and fixes 4 of `b`."""
    (tmp_path / "nets.py").write_text(READER + SWAPPED)
    y = np.arange(200) // 100
    wrong = (y == 1) & (np.arange(200) < 110)
    x = images([(0.1, 0.9) if one else (0.9, 0.1) for one in (y == 1) & ~wrong])
    x[:12, 0, -1] = 1
    x[100:104, 0, -1] = 1
    arrays = {"x_train": x[98:102], "y_train": y[98:102], "x_test": x, "y_test": y, "site": np.arange(200) % 2}
    np.savez(tmp_path / "two.npz", **arrays)
    return {"model": f"{tmp_path}/nets.py:Careless", "data": str(tmp_path / "two.npz"), "device": "cpu"}


def reader(both: dict[str, str]) -> str:
    return both["model"].replace("Careless", "Reader")


def test_networks_and_their_tables_give_the_same_comparison(both: dict[str, str], tmp_path: Path):
    new, old = tmp_path / "new", tmp_path / "old"
    result = eval.run(EvalConfig(**both, against=reader(both), slices=("site",), output=new))
    found = result.comparison
    assert (found.fixed, found.broken, found.difference.value) == (4, 12, pytest.approx(-0.04))
    assert (found.new.value, found.old.value) == (pytest.approx(0.91), pytest.approx(0.95))
    parts = {f"{one.column}={one.name}": one for one in found.parts}
    assert {name: (one.fixed, one.broken) for name, one in parts.items()} == {
        "class=0": (0, 12),
        "class=1": (4, 0),
        "site=0": (2, 6),
        "site=1": (2, 6),
    }
    assert [parts[name].status for name in parts] == ["worse", *["not established"] * 3]
    answer = EVAL.answer(result)
    assert "accuracy -4.0 points [" in answer and "established; 4 fixed, 12 broken of 200 test images" in answer
    assert EVAL.table(result).rows[0][0] == "class=0" and EVAL.table(result).rows[-1][0] == "all"
    with (new / "flips.csv").open(newline="") as stream:
        flips = list(csv.DictReader(stream))
    assert [one["change"] for one in flips] == ["broken"] * 12 + ["fixed"] * 4
    assert {int(one["index"]) for one in flips} == {*range(12), *range(100, 104)}
    assert {(one["true"], one["old"], one["new"]) for one in flips} == {("0", "0", "1"), ("1", "0", "1")}
    page = (new / "report.html").read_text()
    assert "Broken: 12 images" in page and "Fixed: 4 images" in page and page.count("data:image/png") >= 16
    eval.run(EvalConfig(**{**both, "model": reader(both)}, output=old))
    tables = [str(folder / "predictions.csv") for folder in (new, old)]
    mixed = (
        EvalConfig(model=tables[0], against=tables[1], slices=("site",)),
        EvalConfig(**both, against=tables[1], slices=("site",)),
        EvalConfig(
            model=tables[0], against=reader(both), data=both["data"], device="cpu", slices=("site",), output=tmp_path / "m"
        ),
    )
    for config in mixed:
        other = eval.run(config).comparison
        assert (other.difference, other.p, other.fixed, other.broken) == (found.difference, found.p, 4, 12)
        assert other.parts == found.parts
        assert [(one.index, one.change) for one in other.flips] == [(one.index, one.change) for one in found.flips]
    assert (tmp_path / "m" / "report.html").read_text().count("data:image/png") >= 16


def test_the_table_that_a_network_is_compared_with_may_be_of_any_form(both: dict[str, str], tmp_path: Path):
    rows = [("was", "said"), *((k // 100, k // 100 if k >= 110 or k < 100 else 0) for k in range(200))]
    (tmp_path / "old.csv").write_text("\n".join(f"{true}|{label}" for true, label in rows) + "\n")
    form = {"delimiter": "|", "columns": ("truth=was", "label=said")}
    found = eval.run(EvalConfig(**both, against=str(tmp_path / "old.csv"), **form)).comparison
    assert (found.fixed, found.broken) == (4, 12)
    with pytest.raises(UsageError, match="`columns` needs .* or a table of predictions"):
        eval.run(EvalConfig(**both, **form))


def test_the_gates(both: dict[str, str]):
    worse = EvalConfig(**both, against=reader(both), no_worse=0.05)
    assert eval.run(worse).failed.startswith("not established to be at most 0.05 worse than ")
    better = EvalConfig(**{**both, "model": reader(both)}, against=both["model"], no_worse=0.05)
    result = eval.run(better)
    assert not result.failed and 0 < result.comparison.power < 1 and result.comparison.needed > 100
    sliced = EvalConfig(**{**both, "model": reader(both)}, against=both["model"], no_worse=0.03, slices=("class",))
    assert "class=1 -0.040 [" in eval.run(sliced).failed and "class=0" not in eval.run(sliced).failed
    point = eval.run(EvalConfig(**both, against=reader(both), fail_under=("difference", -0.03))).failed
    assert point.startswith("difference on test is -0.040 [") and point.endswith("below -0.03")
    assert not eval.run(EvalConfig(**both, against=reader(both), fail_under=("difference", -0.05))).failed


def test_what_is_compared_with_itself_is_told(both: dict[str, str], tmp_path: Path):
    """The gate passes then, whatever the network is like. Networks of equal weights that differ otherwise are two."""
    rows = [(f"{k}.png", "cat", "dog") for k in range(30)] + [("z.png", "dog", "dog")]
    new, copy = (table(tmp_path / name, rows) for name in ("new.csv", "copy.csv"))
    other = table(tmp_path / "other.csv", [*rows[:-1], ("z.png", "dog", "cat")])
    pairs = [
        ({"model": new}, new),
        ({"model": new}, copy),
        (both, both["model"]),
        ({"model": new}, other),
        (both, reader(both)),
    ]
    told = [
        [note for note in eval.run(EvalConfig(**given, against=old)).notes if "is compared with itself" in note]
        for given, old in pairs
    ]
    assert [len(notes) for notes in told] == [1, 1, 1, 0, 0]
    assert told[1][0].endswith(f"{copy} is the same table, by its SHA-256.") and "has the same weights" in told[2][0]


def table(path: Path, rows: list[tuple[str, str, str]]) -> str:
    path.write_text("file,truth,label\n" + "\n".join(map(",".join, rows)))
    return str(path)


def test_tables_are_matched_by_files(tmp_path: Path):
    new = table(tmp_path / "new.csv", [("a.png", "cat", "cat"), ("b.png", "dog", "dog"), ("c.png", "cat", "dog")])
    old = table(
        tmp_path / "old.csv",
        [("x/c.png", "cat", "cat"), ("x/b.png", "dog", "cat"), ("x/a.png", "cat", "cat"), ("x/d.png", "cat", "cat")],
    )
    result = eval.run(EvalConfig(model=new, against=old))
    assert [(one.file, one.change, one.old, one.new) for one in result.comparison.flips] == [
        ("c.png", "broken", "cat", "dog"),
        ("b.png", "fixed", "cat", "dog"),
    ]
    assert f"Not compared: 1 example of {old}, first d.png." in result.notes


def keyed(path: Path, columns: list[str], rows: list[tuple]) -> str:
    path.write_text("\n".join(",".join(map(str, row)) for row in [[*columns, "truth", "label"], *rows]) + "\n")
    return str(path)


def of_forty() -> tuple[list[tuple], list[tuple]]:
    """Two networks on 40 examples of one class: the new one fixes 3 and breaks 1."""
    right = [k not in (0, 1, 2, 3, 4) for k in range(40)]
    after = [k not in (3, 4, 7) for k in range(40)]
    new, old = ([(f"s{k:02}", k % 6, "a", "a" if one else "b") for k, one in enumerate(side)] for side in (after, right))
    return new, old


@pytest.mark.parametrize("name", ["sample", "uid", "url", "question_id", "doc", "Row"])
@pytest.mark.parametrize("gap", [0, 3])
def test_a_column_that_tells_examples_apart_matches_tables_in_any_order(tmp_path: Path, name: str, gap: int):
    """Rows of one class, sorted by correctness, do not show that they are in another order."""
    new, old = of_forty()
    old = sorted(old, key=lambda row: (row[3], row[0]))
    paths = keyed(tmp_path / "new.csv", [name, "site"], new[gap:]), keyed(tmp_path / "old.csv", [name, "site"], old)
    found = eval.run(EvalConfig(model=paths[0], against=paths[1])).comparison
    assert (found.fixed, found.broken) == (3 - min(gap, 3), 1)
    with pytest.raises(InputError, match="has no prediction for .*s00"):
        eval.run(EvalConfig(model=paths[1], against=keyed(tmp_path / "less.csv", [name, "site"], new[1:])))


def test_columns_that_match_examples_in_two_ways_are_refused(tmp_path: Path):
    new, old = of_forty()
    ranked = [[(f"r{7 * k % 40}", *row) for k, row in enumerate(sorted(rows, key=lambda row: row[3]))] for rows in (new, old)]
    paths = [keyed(tmp_path / f"{k}.csv", ["slot", "sample", "site"], rows) for k, rows in enumerate(ranked)]
    with pytest.raises(InputError, match="both tell examples apart"):
        eval.run(EvalConfig(model=paths[0], against=paths[1]))
    found = eval.run(EvalConfig(model=paths[0], against=paths[1], columns=("file=sample",))).comparison
    assert (found.fixed, found.broken) == (3, 1)


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("number", ["index", "id", "row", ""])
def test_ranks_that_networks_gave_are_no_names(tmp_path: Path, number: str, start: int):
    """Of examples of one class nothing but their order, or the names of their files, shows that ranks are none."""
    new, old = of_forty()
    ranked = [[(7 * k % 40 + start, *row[:1], *row[2:]) for k, row in enumerate(rows)] for rows in (new, old)]
    ranked[1] = [((11 * k + 3) % 40 + start, *row[1:]) for k, row in enumerate(ranked[1])]
    # Names go first, whatever the ranks are.
    paths = [keyed(tmp_path / f"{k}.csv", ["rank", "sample"], rows) for k, rows in enumerate(ranked)]
    recorder = RecordingReporter()
    found = eval.run(EvalConfig(model=paths[0], against=paths[1]), report=recorder).comparison
    assert (found.fixed, found.broken) == (3, 1) and not recorder.warnings
    # Rows that are numbered, and ranks: which of both counts is asked.
    bare = [[(k + start, row[0], *row[2:]) for k, row in enumerate(rows)] for rows in ranked]
    paths = [keyed(tmp_path / f"n{k}.csv", [number, "rank"], rows) for k, rows in enumerate(bare)]
    with pytest.raises(InputError, match="both tell examples apart, and match them in two ways"):
        eval.run(EvalConfig(model=paths[0], against=paths[1]))
    # Ranks alone may be a key, which only the user knows.
    paths = [keyed(tmp_path / f"r{k}.csv", ["rank"], [row[1:] for row in rows]) for k, rows in enumerate(bare)]
    with pytest.raises(InputError, match="the numbers of the column 'rank' may name the examples, or be ranks"):
        eval.run(EvalConfig(model=paths[0], against=paths[1]))
    assert eval.run(EvalConfig(model=paths[0], against=paths[1], columns=("file=rank",))).comparison
    # Of two classes they are none where the true classes are others then.
    classes = [[(*row[:-2], "ab"[k // 20], "ab"[k // 20]) for k, row in enumerate(rows)] for rows in bare]
    paths = [
        keyed(tmp_path / f"c{k}.csv", [number, "rank"], [(*row[:1], (row[1] + k) % 40 + start, *row[2:]) for row in rows])
        for k, rows in enumerate(classes)
    ]
    found = eval.run(EvalConfig(model=paths[0], against=paths[1])).comparison
    assert (found.fixed, found.broken) == (0, 0)


@pytest.mark.parametrize("number", ["index", "id", "file", "name", "image", "Unnamed: 0"])
@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("gap", [0, 4])
def test_numbers_of_rows_tell_less_than_any_other_column(tmp_path: Path, number: str, start: int, gap: int):
    """As a data frame has after it was sorted and its index was reset."""
    new, old = of_forty()
    numbered = [
        [(k + start, *row) for k, row in enumerate(sorted(rows, key=lambda row: (row[3], row[0])))] for rows in (new[gap:], old)
    ]
    paths = [keyed(tmp_path / f"{k}.csv", [number, "uid", "site"], rows) for k, rows in enumerate(numbered)]
    found = eval.run(EvalConfig(model=paths[0], against=paths[1])).comparison
    assert (found.fixed, found.broken) == (0 if gap else 3, 1)  # rows 0, 1 and 2; without the first four none of these


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (lambda k: f"2024-01-{k:02}", lambda k: f"{k}.1.2024"),
        (lambda k: f"img_{k:03}", lambda k: f"{k:03}"),
        (lambda k: f"a{k}", lambda k: f"b{k}"),
        (lambda k: 5 * k, lambda k: 5 * k + 150),  # whole numbers, of which a quarter agree
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path: Path, mine: Callable[[int], object], theirs: Callable[[int], object]):
    new, old = of_forty()
    rows = [[(name(k), *row[1:]) for k, row in enumerate(side)] for name, side in ((mine, new), (theirs, old))]
    paths = [keyed(tmp_path / f"{k}.csv", ["what", "site"], one) for k, one in enumerate(rows)]
    with pytest.raises(InputError, match="column 'what' has another value in each row"):
        eval.run(EvalConfig(model=paths[0], against=paths[1]))


@pytest.mark.parametrize("number", ["index", "id", "no", "row"])
def test_numbers_of_rows_do_not_hide_that_rows_are_in_another_order(tmp_path: Path, number: str):
    """The key is two columns, patient and frame, and the index was reset after a sort."""
    new, old = of_forty()
    paths = []
    for name, rows in (("new.csv", new), ("old.csv", old)):
        moved = sorted(((int(key[1:]) // 4, int(key[1:]) % 4, *rest[1:]) for key, *rest in rows), key=lambda row: row[3])
        paths.append(keyed(tmp_path / name, [number, "patient", "frame"], [(k, *row) for k, row in enumerate(moved)]))
    with pytest.raises(InputError, match="column 'patient'"):
        eval.run(EvalConfig(model=paths[0], against=paths[1]))


def test_where_only_the_order_can_tell_it_is_told_what_speaks_for_it(tmp_path: Path):
    """Figures of the networks, each once, are no keys; a column that repeats shows the order, or that it is another one."""
    new, old = of_forty()
    logits = [[(k + 0.1 * side, *row[1:]) for k, row in enumerate(rows)] for side, rows in enumerate((new, old))]
    paths = [keyed(tmp_path / f"{k}.csv", ["logit", "site"], rows) for k, rows in enumerate(logits)]
    bare = [keyed(tmp_path / f"bare{k}.csv", [], [row[2:] for row in rows]) for k, rows in enumerate((new, old))]
    for (first, second), warned in ((paths, False), (bare, True)):
        recorder = RecordingReporter()
        result = eval.run(EvalConfig(model=first, against=second), report=recorder)
        assert (result.comparison.fixed, result.comparison.broken) == (3, 1)
        assert any("matched by their order" in one for one in result.notes)
        assert any("matched by their order" in one for one in recorder.warnings) == warned
    moved = keyed(tmp_path / "moved.csv", ["logit", "site"], sorted(logits[1], key=lambda row: row[3]))
    with pytest.raises(InputError, match="row [0-9]+, column 'site'"):
        eval.run(EvalConfig(model=paths[0], against=moved))


def _padded(name: str) -> str:
    return f"data/{name.upper()}.png"


@pytest.mark.parametrize("number", ["", "Unnamed: 0", "row", "id", "index"])
@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize(
    ("header", "change"),
    [
        ("sample", lambda key, k: _padded(key) if k else "?"),
        ("Sample", lambda key, k: _padded(key) if k else ""),
        ("SAMPLE", lambda key, k: _padded(key)),
    ],
)
def test_a_column_that_names_most_examples_shows_another_order(
    tmp_path: Path, number: str, start: int, header: str, change: Callable[[str, int], str]
):
    """Both tables are sorted by class, then by their own mistakes, and their rows are numbered again."""
    new, old = of_forty()
    sides = []
    for name, rows, spelt in (("sample", new, lambda key, _: key), (header, old, change)):
        moved = sorted(rows, key=lambda row: (row[3], row[0]))
        named = [(spelt(key, k), *rest) for k, (key, *rest) in enumerate(moved)]
        sides.append((name, [(k + start, *row[:1], *row[2:]) for k, row in enumerate(named)]))
    paths = [keyed(tmp_path / f"{k}.csv", [number, name], rows) for k, (name, rows) in enumerate(sides)]
    with pytest.raises(InputError, match="row [0-9]+, column '[sS]ample': |has another value in each row|two ways"):
        eval.run(EvalConfig(model=paths[0], against=paths[1]))
    # In one order the same columns say that it is that one.
    new_side, rows = sides[0]
    inverse = {row[1]: row for row in rows}
    in_order = [inverse[key] for key in sorted(inverse)]
    numbered = [(k + start, *row[1:]) for k, row in enumerate(in_order)]
    theirs = [(k + start, change(key, k), *rest[1:]) for k, (key, *rest) in enumerate(old)]
    paths = [keyed(tmp_path / "a.csv", [number, new_side], numbered), keyed(tmp_path / "b.csv", [number, header], theirs)]
    recorder = RecordingReporter()
    found = eval.run(EvalConfig(model=paths[0], against=paths[1]), report=recorder).comparison
    assert (found.fixed, found.broken) == (3, 1)
    assert not recorder.warnings


def test_a_column_of_numbers_that_one_table_has_again_does_not_decide_against_names(tmp_path: Path):
    """One table was sorted and numbered again, the other one kept its numbers."""
    new, old = of_forty()
    moved = sorted(new, key=lambda row: (row[3], row[0]))
    numbered = [(k, "s38" if k == 3 else key, *rest) for k, (key, *rest) in enumerate(moved)]
    kept = [(int(key[1:]), key, *rest) for key, *rest in sorted(old, key=lambda row: (row[3], row[0]))]
    paths = [keyed(tmp_path / f"{k}.csv", ["", "sample", "site"], rows) for k, rows in enumerate((numbered, kept))]
    with pytest.raises(InputError, match="row [0-9]+, column 'sample'"):
        eval.run(EvalConfig(model=paths[0], against=paths[1]))


@pytest.mark.parametrize("number", ["", "Unnamed: 0", "row", "id", "n"])
def test_rows_that_are_only_numbered_are_matched_by_their_order_with_a_warning(tmp_path: Path, number: str):
    new, old = of_forty()
    paths = [
        keyed(tmp_path / f"{k}.csv", [number], [(i, *row[2:]) for i, row in enumerate(one)]) for k, one in enumerate((new, old))
    ]
    recorder = RecordingReporter()
    found = eval.run(EvalConfig(model=paths[0], against=paths[1]), report=recorder).comparison
    assert (found.fixed, found.broken) == (3, 1)
    what = {"": "the column without a name", "id": "what names them"}.get(number, f"the column '{number}'")
    assert recorder.warnings == [f"Examples are matched by their order: {what} only numbers the rows of both tables."]


@pytest.mark.parametrize("options", [{"slices": ("site",)}, {"group": "site"}, {"slices": ("site",), "group": "site"}])
def test_slices_that_are_others_in_the_other_table_are_told(tmp_path: Path, options: dict[str, Any]):
    new, old = of_forty()
    old = [(key, 9 if k in (5, 8) else site, *rest) for k, (key, site, *rest) in enumerate(old)]
    paths = [keyed(tmp_path / f"{k}.csv", ["sample", "site"], rows) for k, rows in enumerate((new, old[::-1]))]
    recorder = RecordingReporter()
    eval.run(EvalConfig(model=paths[0], against=paths[1], **options), report=recorder)
    said = f"Column 'site' differs in 2 examples: '5' in row 6 of {paths[0]} and '9' in {paths[1]}; that of {paths[0]} counts."
    assert recorder.warnings == [said]
    recorder = RecordingReporter()
    eval.run(EvalConfig(model=paths[0], against=paths[1]), report=recorder)
    assert not recorder.warnings


def test_how_the_other_table_was_read_is_told(tmp_path: Path):
    new = table(tmp_path / "new.csv", [("a.png", "cat", "cat"), ("b.png", "dog", "dog")])
    old = table(tmp_path / "old.csv", [("a.png", "cat", "cow"), ("b.png", "dog", "cow")])
    result = eval.run(EvalConfig(model=new, against=old, columns=("file=file", "truth=truth", "label=label")))
    assert (result.comparison.fixed, result.comparison.broken) == (2, 0)
    said = f"{old}: No predicted label, such as 'cow', is the true label of any row: all rows count as wrong."
    assert said in result.notes


def test_a_gate_wants_all_examples_of_the_other_network(tmp_path: Path):
    """Without its mistakes a network is better than it is."""
    new, old = of_forty()
    paths = keyed(tmp_path / "new.csv", ["sample", "site"], new[5:]), keyed(tmp_path / "old.csv", ["sample", "site"], old)
    recorder = RecordingReporter()
    result = eval.run(EvalConfig(model=paths[0], against=paths[1]), report=recorder)
    said = f"Not compared: 5 examples of {paths[1]}, first sample s00."
    assert said in result.notes and said in recorder.warnings
    for gate in ({"no_worse": 0.5}, {"fail_under": ("difference", -0.5)}):
        with pytest.raises(InputError, match="has no prediction for 5 examples of .*first sample s00"):
            eval.run(EvalConfig(model=paths[0], against=paths[1], **gate))


def test_other_examples_are_refused(tmp_path: Path, both: dict[str, str]):
    new = table(tmp_path / "new.csv", [("a.png", "cat", "cat"), ("b.png", "dog", "dog")])
    with pytest.raises(InputError, match=r"has no prediction for b\.png"):
        eval.run(EvalConfig(model=new, against=table(tmp_path / "old.csv", [("a.png", "cat", "cat"), ("c.png", "dog", "dog")])))
    with pytest.raises(InputError, match=r"the true class of b\.png is 'cat', and 'dog' in"):
        eval.run(EvalConfig(model=new, against=table(tmp_path / "old.csv", [("b.png", "cat", "cat"), ("a.png", "cat", "dog")])))
    with pytest.raises(InputError, match="has 2 predictions, and .* 200"):
        eval.run(EvalConfig(**both, against=new))
    for options in ({"no_worse": 0.1}, {"fail_under": ("difference", 0.0)}):
        with pytest.raises(UsageError, match="needs `against`"):
            EvalConfig(model=new, **options)
    with pytest.raises(UsageError, match="`against` and `summary` cannot be combined"):
        EvalConfig(model="run", data="digits", against=new, summary=True)


def test_tables_are_matched_by_their_index(both: dict[str, str], tmp_path: Path):
    """Sorted by class, and then in other orders, so that true classes alone do not tell them apart."""
    result = eval.run(EvalConfig(**both, output=tmp_path / "new"))
    eval.run(EvalConfig(**both | {"model": reader(both)}, output=tmp_path / "old"))
    with (tmp_path / "old" / "predictions.csv").open() as stream:
        head, *rows = list(csv.reader(stream))
    random = np.random.default_rng(0)
    mixed = [rows[k] for part in (range(100), range(100, 200)) for k in random.permutation(list(part))]
    (tmp_path / "mixed.csv").write_text("\n".join(map(",".join, [head, *mixed])) + "\n")
    options = {"model": str(tmp_path / "new" / "predictions.csv"), "against": str(tmp_path / "mixed.csv")}
    found = eval.run(EvalConfig(**options)).comparison
    assert (found.fixed, found.broken) == (4, 12)
    assert eval.run(EvalConfig(**both, against=str(tmp_path / "mixed.csv"))).comparison.broken == 12
    assert result.comparison is None
    cut = [head, *rows[1:]]
    (tmp_path / "cut.csv").write_text("\n".join(map(",".join, cut)) + "\n")
    with pytest.raises(InputError, match="has no prediction for index 0"):
        eval.run(EvalConfig(**options | {"against": str(tmp_path / "cut.csv")}))


SAME = [("cat", "cat"), ("cat", "dog"), ("cat", "cat"), ("dog", "dog"), ("dog", "cat")]
"""Truth and the new label of five examples; the old classifier has the first of each class wrong."""
OTHER = ["dog", "cat", "cat", "cat", "dog"]


@pytest.mark.parametrize("files", ["none", "new", "old", "both, one name twice"])
@pytest.mark.parametrize("write", ["{}", "{}.0", "{:03d}"])
def test_an_index_in_both_tables_decides_whatever_else_they_have(tmp_path: Path, files: str, write: str):
    """The old table is in another order, which true classes do not tell."""

    def written(name: str, rows: list[tuple[int, str, str]], form: str, *, named: bool) -> str:
        head = ["file"] * named + ["index", "truth", "label"]
        lines = [[*(["same.png"] * named), form.format(k), truth, label] for k, truth, label in rows]
        (tmp_path / name).write_text("\n".join(map(",".join, [head, *lines])) + "\n")
        return str(tmp_path / name)

    new = written("new.csv", [(k, *one) for k, one in enumerate(SAME)], "{}", named=files in ("new", "both, one name twice"))
    before = [(k, SAME[k][0], OTHER[k]) for k in (2, 0, 1, 4, 3)]
    old = written("old.csv", before, write, named=files in ("old", "both, one name twice"))
    found = eval.run(EvalConfig(model=new, against=old))
    assert [(one.index, one.change) for one in found.comparison.flips] == [
        (1, "broken"),
        (4, "broken"),
        (0, "fixed"),
        (3, "fixed"),
    ]
    assert not any("by their order" in note for note in found.notes)


def test_rows_are_called_by_the_index_of_their_table(tmp_path: Path):
    """In flips, mistakes and suspects, in the result and in the files, whatever the order of the rows."""
    drawn = np.random.default_rng(0)
    n, truth = 300, np.arange(300) % 3
    p = drawn.dirichlet(np.ones(3) * 0.3, n)
    p[np.arange(n), truth] += 1.5
    p[::20] = np.roll(p[::20], 1, axis=1)  # surely another class
    p /= p.sum(1, keepdims=True)
    order = drawn.permutation(n)

    def written(name: str, rows: np.ndarray, label: np.ndarray) -> str:
        lines = [f"{7000 + k},{truth[k]},{label[k]},{','.join(f'{value:.9f}' for value in p[k])}" for k in rows.tolist()]
        (tmp_path / name).write_text("\n".join(["index,truth,predicted,p_0,p_1,p_2", *lines]) + "\n")
        return str(tmp_path / name)

    label = p.argmax(1)
    old = np.where(np.arange(n) % 7 == 0, (truth + 1) % 3, truth)
    options = {"suspects": True, "against": written("old.csv", np.arange(n), old)}
    plain, mixed = (written(f"{name}.csv", rows, label) for name, rows in (("plain", np.arange(n)), ("mixed", order)))
    one, other = (eval.run(EvalConfig(model=new, output=tmp_path / f"{new}.out", **options)) for new in (plain, mixed))
    wrong = {7000 + k for k in np.flatnonzero(label != truth).tolist()}
    assert wrong and {row.index for row in one.mistakes} <= wrong and {row.index for row in other.mistakes} <= wrong
    changed = {7000 + k for k in np.flatnonzero((label == truth) != (old == truth)).tolist()}
    for new in (plain, mixed):
        with (Path(f"{new}.out") / "flips.csv").open(newline="") as stream:
            assert {int(row["index"]) for row in csv.DictReader(stream)} == changed
        with (Path(f"{new}.out") / "suspects.csv").open(newline="") as stream:
            found = {int(row["index"]): int(row["given"]) for row in csv.DictReader(stream)}
        assert found and all(truth[number - 7000] == given for number, given in found.items())
    assert {row.index for row in one.suspects.suspects} == {row.index for row in other.suspects.suspects}


@pytest.mark.parametrize("root", ["", "/data/test/", "C:\\data\\", "../x/"])
def test_files_whose_names_repeat_in_folders_are_told_apart_by_the_ends_of_their_paths(tmp_path: Path, root: str):
    paths = ["cat/1.png", "cat/2.png", "cat/3.png", "dog/1.png", "dog/2.png"]
    new = table(tmp_path / "new.csv", [(path, *one) for path, one in zip(paths, SAME, strict=True)])
    slash = "\\" if "\\" in root else "/"
    before = [(root + paths[k].replace("/", slash), SAME[k][0], OTHER[k]) for k in (2, 0, 1, 4, 3)]
    old = table(tmp_path / "old.csv", before)
    for one, other, (worse, better) in ((new, old, ("broken", "fixed")), (old, new, ("fixed", "broken"))):
        flips = eval.run(EvalConfig(model=one, against=other)).comparison.flips
        named = {(flip.file.replace("\\", "/").removeprefix(root.replace("\\", "/")), flip.change) for flip in flips}
        assert named == {("cat/2.png", worse), ("dog/2.png", worse), ("cat/1.png", better), ("dog/1.png", better)}


@pytest.mark.parametrize(("fixed", "broken", "told"), [(5, 14, True), (4, 14, False), (7, 14, False)])
def test_a_verdict_that_the_test_does_not_share_is_explained(tmp_path: Path, fixed: int, broken: int, told: bool):
    """Of 19 that differ, 5 or fewer one way: p 0.064; of 18, 4 or fewer: 0.031; of 21, 7 or fewer: 0.189 (binomial)."""
    tables = []
    for name, wrong in (("new", range(broken)), ("old", range(broken, broken + fixed))):
        tables.append(tmp_path / f"{name}.csv")
        rows = [f"{k},a,{'b' if k in wrong else 'a'}" for k in range(598)] + ["598,b,b"]
        tables[-1].write_text("\n".join(["index,truth,label", *rows]) + "\n")
    result = eval.run(EvalConfig(model=str(tables[0]), against=str(tables[1])))
    sentences = [note for note in result.notes if note.startswith("The verdict on all examples")]
    assert bool(sentences) == told
    if told:
        assert "established, is that of the interval; McNemar's exact test is more conservative and has p 0.064" in sentences[0]
    first = result.records()[0]
    assert first["status"] == ("established" if first["high"] < 0 else "not established")


@pytest.mark.parametrize("root", ["", "C:\\data\\", "../x/"])
def test_rows_whose_files_are_named_twice_have_to_be_in_one_order(tmp_path: Path, root: str):
    """The two rows that change places have one true class, which therefore does not tell."""
    paths = ["p1/1.png", "p2/1.png", "p2/1.png", "p3/4.png"]
    rows = [(path, *one) for path, one in zip(paths, SAME, strict=False)]
    new = table(tmp_path / "new.csv", rows)
    slash = "\\" if "\\" in root else "/"
    moved = [(root + path.replace("/", slash), truth, label) for path, truth, label in rows]
    same = eval.run(EvalConfig(model=new, against=table(tmp_path / "same.csv", moved))).comparison
    assert (same.fixed, same.broken) == (0, 0)
    other = table(tmp_path / "other.csv", [moved[k] for k in (1, 0, 2, 3)])
    for one, two in ((new, other), (other, new)):
        with pytest.raises(InputError, match=r"row 1 is .*p[12].1\.png, and .*p[12].1\.png in "):
            eval.run(EvalConfig(model=one, against=two))


def test_a_file_that_only_one_table_names_twice_is_refused(tmp_path: Path):
    rows = [("1.png", "cat", "cat"), ("2.png", "cat", "dog"), ("3.png", "cat", "cat")]
    new, old = table(tmp_path / "new.csv", rows), table(tmp_path / "old.csv", [*rows[:2], rows[0]])
    with pytest.raises(InputError, match=r"row 3 is 1\.png, and 3\.png in "):
        eval.run(EvalConfig(model=new, against=old))


def test_the_network_that_fails_is_named(both: dict[str, str]):
    broken = both["model"].replace("Careless", "Broken")
    with pytest.raises(NumericError, match=r"^\S*nets\.py:Broken: the model's logits are NaN"):
        eval.run(EvalConfig(**both, against=broken))
