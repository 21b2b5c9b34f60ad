"""How the rows of two tables of predictions are matched: by names in any form, and by nothing that may be ranks."""

from collections.abc import Callable
from pathlib import Path

import pytest
from scipy.stats import norm

from dlcli.engines import eval
from dlcli.specs.eval import EvalConfig
from dlcli.support.errors import InputError
from tests.engines.eval.test_against import keyed, of_forty
from tests.recording import RecordingReporter


@pytest.mark.parametrize("extra", [(), ("sample",)])
@pytest.mark.parametrize("spell", [str, lambda k: f"{k:05}", lambda k: f"{k}.0", lambda k: f" {k} "])
@pytest.mark.parametrize("name", ["id", "image_id", "sample", "uid"])
def test_whole_numbers_are_names_in_any_notation(
    tmp_path: Path, name: str, spell: Callable[[int], str], extra: tuple[str, ...]
):
    """Also negative ones, and where the user names the column, be it a column of files or any other."""
    new, old = of_forty()
    numbers = [97 * k - 800 for k in range(40)]
    sides = [(str, new), (spell if extra else lambda k: f"{k}.0", sorted(old, key=lambda row: (row[3], row[0])))]
    paths = [
        keyed(tmp_path / f"{k}.csv", [name, "site"], [(form(numbers[int(key[1:])]), *rest) for key, *rest in rows])
        for k, (form, rows) in enumerate(sides)
    ]
    columns = (f"file={name}",) if extra else ()
    found = eval.run(EvalConfig(model=paths[0], against=paths[1], columns=columns)).comparison
    assert (found.fixed, found.broken) == (3, 1)


def norm_score(k: int) -> float:
    return float(norm.ppf((k + 1) / 41))


@pytest.mark.parametrize("name", ["percentile", "rank"])
@pytest.mark.parametrize("form", [lambda k: (k + 1) / 40, lambda k: round(k / 40, 3), lambda k: 10 * (k + 1), norm_score])
@pytest.mark.parametrize("number", ["", "no", "sample"])
def test_ranks_in_any_scale_are_no_names(tmp_path: Path, name: str, form: Callable[[int], float], number: str):
    """Shares of the rows, multiples, and scores of the normal distribution, which both networks give in orders of their own."""
    new, old = of_forty()
    sides = [[(k, form(step * k % 40), *row[1:]) for k, row in enumerate(rows)] for step, rows in ((7, new), (11, old))]
    paths = [keyed(tmp_path / f"{k}.csv", [number, name, "site"], rows) for k, rows in enumerate(sides)]
    with pytest.raises(InputError, match=r"match them in two ways|column 'site'"):
        eval.run(EvalConfig(model=paths[0], against=paths[1]))
    alone = [keyed(tmp_path / f"a{k}.csv", [name], [(row[1], *row[3:]) for row in rows]) for k, rows in enumerate(sides)]
    with pytest.raises(InputError, match=f"the numbers of the column '{name}' may name the examples, or be ranks"):
        eval.run(EvalConfig(model=alone[0], against=alone[1]))
    if form is norm_score:  # which may be a measurement of the examples
        return
    # Of two classes, whose rows they do not match.
    classes = [[(*row[:2], "ab"[k // 20], "ab"[k // 20]) for k, row in enumerate(rows)] for rows in sides]
    paths = [keyed(tmp_path / f"c{k}.csv", [number, name], rows) for k, rows in enumerate(classes)]
    assert eval.run(EvalConfig(model=paths[0], against=paths[1])).comparison.fixed == 0


@pytest.mark.parametrize("start", [0, 1])
def test_numbers_that_are_the_same_in_every_row_are_no_ranks(tmp_path: Path, start: int):
    """Two networks give none alike; sorted by them, they only number the rows."""
    new, old = of_forty()
    paths = [
        keyed(tmp_path / f"{k}.csv", ["which"], [(7 * k % 40 + start, *row[2:]) for k, row in enumerate(rows)])
        for k, rows in enumerate((new, old))
    ]
    recorder = RecordingReporter()
    found = eval.run(EvalConfig(model=paths[0], against=paths[1]), report=recorder).comparison
    assert (found.fixed, found.broken) == (3, 1) and not recorder.warnings
    ranked = [
        keyed(tmp_path / f"s{k}.csv", ["share"], [((39 - k) / 40, *row[2:]) for k, row in enumerate(rows)])
        for k, rows in enumerate((new, old))
    ]
    eval.run(EvalConfig(model=ranked[0], against=ranked[1]), report=recorder)
    assert any("matched by their order" in one for one in recorder.warnings)


@pytest.mark.parametrize("others", [1, 10, 18])
@pytest.mark.parametrize("number", [None, "no"])
def test_a_name_that_is_there_twice_hides_no_other_examples(tmp_path: Path, others: int, number: str | None):
    new, old = of_forty()
    new[3] = ("s02", *new[3][1:])
    old = [(f"t{k}" if k >= 40 - others else key, *rest) for k, (key, *rest) in enumerate(old)]
    columns = ["uid", "site"] if number is None else [number, "uid", "site"]
    numbered = [[(k, *row)[number is None :] for k, row in enumerate(rows)] for rows in (new, old)]
    paths = [keyed(tmp_path / f"{k}.csv", columns, rows) for k, rows in enumerate(numbered)]
    with pytest.raises(InputError, match=r"row [0-9]+, column 'uid'"):
        eval.run(EvalConfig(model=paths[0], against=paths[1]))


@pytest.mark.parametrize("key", ["case", "visit"])
@pytest.mark.parametrize(("mine", "theirs"), [("2024/{}", "2023/{}"), ("{}.left", "{}.right"), ("a/{}.x", "b/{}.x")])
def test_names_that_are_no_files_have_no_folders_and_extensions(tmp_path: Path, key: str, mine: str, theirs: str):
    new, old = of_forty()
    sides = [[(form.format(k), *row[1:]) for k, row in enumerate(rows)] for form, rows in ((mine, new), (theirs, old))]
    paths = [keyed(tmp_path / f"{k}.csv", [key, "site"], rows) for k, rows in enumerate(sides)]
    with pytest.raises(InputError, match=f"column '{key}' has another value in each row"):
        eval.run(EvalConfig(model=paths[0], against=paths[1]))


@pytest.mark.parametrize(("form", "what"), [("IMG/{}.PNG", "case"), ("img/{}.jpg", "case and extension"), ("x/IMG_{}", "")])
def test_files_in_another_case_or_format_are_matched_with_a_note(tmp_path: Path, form: str, what: str):
    new, old = of_forty()
    sides = [("img/{}.png", new), (form, sorted(old, key=lambda row: (row[3], row[0])))]
    paths = [
        keyed(tmp_path / f"{k}.csv", ["file", "site"], [(name.format(row[0]), *row[1:]) for row in rows])
        for k, (name, rows) in enumerate(sides)
    ]
    if not what:
        with pytest.raises(InputError, match="has no prediction for .*its first is x/IMG_s05|has no prediction"):
            eval.run(EvalConfig(model=paths[0], against=paths[1]))
        return
    result = eval.run(EvalConfig(model=paths[0], against=paths[1]))
    assert (result.comparison.fixed, result.comparison.broken) == (3, 1)
    assert f"Files are matched by their names without {what}." in result.notes


@pytest.mark.parametrize("key", ["UID", "Sample_Id"])
def test_columns_of_one_name_but_for_its_case_match_rows(tmp_path: Path, key: str):
    new, old = of_forty()
    sides = [(key.lower(), new), (key, sorted(old, key=lambda row: (row[3], row[0])))]
    paths = [keyed(tmp_path / f"{k}.csv", [name, "site"], rows) for k, (name, rows) in enumerate(sides)]
    found = eval.run(EvalConfig(model=paths[0], against=paths[1])).comparison
    assert (found.fixed, found.broken) == (3, 1)


@pytest.mark.parametrize("key", ["uid", None])
def test_a_limit_takes_the_first_examples_of_the_new_one(tmp_path: Path, key: str | None):
    new, old = of_forty()
    old = sorted(old, key=lambda row: (row[3], row[0])) if key else old
    columns = [key, "site"] if key else ["site"]
    paths = [keyed(tmp_path / f"{k}.csv", columns, [row[not key :] for row in rows]) for k, rows in enumerate((new, old))]
    found = eval.run(EvalConfig(model=paths[0], against=paths[1], limit=6))
    assert (found.n_images, found.comparison.fixed, found.comparison.broken) == (6, 3, 0)


def test_a_new_one_with_many_more_rows_names_the_first_that_is_missing(tmp_path: Path):
    new, old = of_forty()
    paths = keyed(tmp_path / "new.csv", ["uid", "site"], new), keyed(tmp_path / "old.csv", ["uid", "site"], old[30:])
    with pytest.raises(InputError, match="has no prediction for uid s00") as caught:
        eval.run(EvalConfig(model=paths[0], against=paths[1]))
    assert "its first is uid s30" in caught.value.hint


def test_columns_that_only_the_new_table_has_are_found_in_the_old_one(tmp_path: Path):
    new, old = of_forty()
    rows = [",".join(map(str, row)) for row in new]
    (tmp_path / "new.csv").write_text("\n".join(["uid,site,was,said", *rows]) + "\n")
    path = keyed(tmp_path / "old.csv", ["uid", "site"], old)
    result = eval.run(EvalConfig(model=str(tmp_path / "new.csv"), against=path, columns=("truth=was", "label=said")))
    assert (result.comparison.fixed, result.comparison.broken) == (3, 1)
    assert any("No column is called 'was' (truth) or 'said' (label)" in note for note in result.notes)
    with pytest.raises(InputError, match="has no column 'were'"):
        eval.run(EvalConfig(model=str(tmp_path / "new.csv"), against=path, columns=("truth=were", "label=said")))


@pytest.mark.parametrize("name", ["sample", "row", ""])
def test_rows_that_were_left_when_others_were_taken_out_are_matched_with_a_warning(tmp_path: Path, name: str):
    """Nothing but rising numbers names them, which may be ranks of sorted tables; another column takes the doubt away."""
    new, old = of_forty()
    left = [(k, *row[1:]) for k, row in enumerate(new) if k % 4]
    for columns, start, warned in (([name], 2, True), ([name, "site"], 1, False)):
        paths = [
            keyed(tmp_path / f"{k}{start}.csv", columns, [(row[0], *row[start:]) for row in rows])
            for k, rows in enumerate((left, [(k, *row[1:]) for k, row in enumerate(old)]))
        ]
        recorder = RecordingReporter()
        found = eval.run(EvalConfig(model=paths[0], against=paths[1]), report=recorder).comparison
        assert (found.fixed, found.broken) == (2, 1)  # 1 and 2 are fixed, 7 is broken
        assert any("matched by the column" in one for one in recorder.warnings) == warned


@pytest.mark.parametrize("gap", [0, 3])
def test_numbers_by_which_classes_change_often_are_names(tmp_path: Path, gap: int):
    new, old = ([(7 * k % 40, "abc"[k % 3], "abc"[k * one % 3]) for k in range(40)] for one in (1, 2))
    paths = (
        keyed(tmp_path / "new.csv", ["sample"], new[gap:]),
        keyed(tmp_path / "old.csv", ["sample"], sorted(old, reverse=True)),
    )
    found = eval.run(EvalConfig(model=paths[0], against=paths[1])).comparison
    assert (found.fixed, found.broken) == (sum(k % 3 > 0 for k in range(gap, 40)), 0)


@pytest.mark.parametrize("number", ["index", "id", ""])
def test_few_values_in_other_rows_show_that_rows_may_be_in_two_orders(tmp_path: Path, number: str):
    """Sorted by mistakes and numbered again; a column of three values is the same in both, but for its order."""
    new, old = ([(key, "xyz"[k % 3], *rest[1:]) for k, (key, *rest) in enumerate(rows)] for rows in of_forty())
    sides = [[(k, *row[1:]) for k, row in enumerate(sorted(rows, key=lambda row: row[3]))] for rows in (new, old)]
    paths = [keyed(tmp_path / f"{k}.csv", [number, "site"], rows) for k, rows in enumerate(sides)]
    recorder = RecordingReporter()
    eval.run(EvalConfig(model=paths[0], against=paths[1]), report=recorder)
    assert any("in two orders" in one or "matched by their order" in one for one in recorder.warnings)
    together = [[(k, *row[1:]) for k, row in enumerate(rows)] for rows in (new, old)]
    paths = [keyed(tmp_path / f"t{k}.csv", ["index", "site"], rows) for k, rows in enumerate(together)]
    recorder = RecordingReporter()
    eval.run(EvalConfig(model=paths[0], against=paths[1]), report=recorder)
    assert not recorder.warnings


@pytest.mark.parametrize(("name", "form"), [("index", "{}"), ("file", "img_{:03}.png"), ("id", "{}")])
@pytest.mark.parametrize("dropped", [0, 20, 39])
def test_rows_that_were_numbered_again_after_one_was_dropped_are_refused(tmp_path: Path, name: str, form: str, dropped: int):
    """Nothing tells which one is missing, unless `limit` says that these are the first ones."""
    new, old = of_forty()
    sides = [row for k, row in enumerate(new) if k != dropped], old
    numbered = [[(form.format(k), row[0], *row[2:]) for k, row in enumerate(rows)] for rows in sides]
    paths = [keyed(tmp_path / f"{k}.csv", [name], [(row[0], *row[2:]) for row in rows]) for k, rows in enumerate(numbered)]
    with pytest.raises(InputError, match="only numbers its 39 rows, so that any of the 40 of .* may be missing") as caught:
        eval.run(EvalConfig(model=paths[0], against=paths[1]))
    assert caught.value.hint is not None and "`limit=39`" in caught.value.hint
    if dropped == 39:
        assert eval.run(EvalConfig(model=paths[0], against=paths[1], limit=39)).comparison.fixed == 3


@pytest.mark.parametrize("form", ["{}.png", "out/img_{:04}.jpg", "frame{}x.png"])
@pytest.mark.parametrize("classes", ["sorted", "mixed"])
def test_files_that_are_only_numbered_are_matched_by_their_order(tmp_path: Path, form: str, classes: str):
    """With a warning, where the classes are sorted: each network may have numbered them in an order of its own."""
    labels = ["abc"[k // 14 if classes == "sorted" else 7 * k % 3] for k in range(40)]
    new, old = ([(form.format(k), one, "abc"[k * step % 3]) for k, one in enumerate(labels)] for step in (1, 2))
    paths = keyed(tmp_path / "new.csv", ["file"], new), keyed(tmp_path / "old.csv", ["file"], old)
    recorder = RecordingReporter()
    notes = eval.run(EvalConfig(model=paths[0], against=paths[1]), report=recorder).notes
    assert bool([one for one in recorder.warnings if "matched by their order" in one]) == (classes == "sorted")
    assert ("Files are matched by their names." in notes) == (classes == "mixed")


def test_what_examples_are_matched_by_is_noted(tmp_path: Path):
    new, old = of_forty()
    for name in ("file", "sample", "index"):
        mixed = sorted(old, key=lambda row: (row[3], row[0]))
        paths = keyed(tmp_path / "new.csv", [name, "site"], new), keyed(tmp_path / "old.csv", [name, "site"], mixed)
        notes = eval.run(EvalConfig(model=paths[0], against=paths[1])).notes
        said = "Files are matched by their names." if name == "file" else f"Examples are matched by the column '{name}'."
        assert said in notes and any(one.startswith("Columns: true labels ") for one in notes)
