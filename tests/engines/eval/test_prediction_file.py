"""`dlcli eval -o` writes predictions.csv, and `dlcli eval predictions.csv` finds the same figures in it."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, softmax
from scipy.stats import norm

from dlcli.cli.commands.eval import COMMAND as EVAL
from dlcli.cli.markdown import markdown
from dlcli.core.proportion import proportion
from dlcli.engines import eval
from dlcli.specs.class_figures import ECE_NOTE, WORST_CLASS_NOTE
from dlcli.specs.eval import EvalConfig
from dlcli.specs.figures import percent
from dlcli.support.errors import InputError, UsageError
from tests.engines.eval.test_engine import READER, images

CLASSES = 7


@pytest.fixture
def network(tmp_path: Path) -> dict[str, str]:
    """A network of seven classes that is right on about two thirds of 300 images, of 60 films at two sites."""
    (tmp_path / "nets.py").write_text(READER)
    random = np.random.default_rng(0)
    y = random.integers(CLASSES, size=300)
    p = softmax(1.5 * random.normal(size=(300, CLASSES)) + 3 * np.eye(CLASSES)[y], axis=1)
    x = images([tuple(row) for row in p])
    film = np.arange(300) // 5
    arrays = {"x_train": x[:7], "y_train": np.arange(7), "x_test": x, "y_test": y, "film": film, "site": film % 2}
    np.savez(tmp_path / "films.npz", **arrays)
    return {"model": f"{tmp_path}/nets.py:Reader", "data": str(tmp_path / "films.npz"), "device": "cpu"}


def test_a_file_gives_what_the_network_gives(network: dict[str, str], tmp_path: Path):
    options = {"slices": ("site", "class"), "group": "film"}
    result = eval.run(EvalConfig(**network, **options, output=tmp_path / "out"))
    again = eval.run(EvalConfig(model=str(tmp_path / "out" / "predictions.csv"), **options, output=tmp_path / "again"))
    assert [one.name for one in again.metrics] == [one.name for one in result.metrics]
    for before, after in zip(result.metrics, again.metrics, strict=True):
        for end in ("value", "low", "high", "n"):
            assert getattr(after.estimate, end) == pytest.approx(getattr(before.estimate, end), abs=1e-7), before.name
    assert (again.slices, again.worst_slice, again.per_class) == (result.slices, result.worst_slice, result.per_class)
    assert (again.confusion, again.n_groups) == (result.confusion, 60)
    assert [(one.index, one.true) for one in again.mistakes] == [(one.index, one.true) for one in result.mistakes]
    assert [one.n for one in again.bins] == [one.n for one in result.bins]
    for name in ("confusion.png", "reliability.png", "report.html"):
        assert (tmp_path / "again" / name).stat().st_size > 1000
    page = (tmp_path / "again" / "report.html").read_text()
    assert "The most confident mistakes" in page and "film" in page


def test_the_columns_are_what_they_say(network: dict[str, str], tmp_path: Path):
    eval.run(EvalConfig(**network, output=tmp_path))
    with (tmp_path / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 300 and [row["index"] for row in rows] == [str(k) for k in range(300)]
    for row in rows[:40]:
        p = np.array([float(row[f"p_{k}"]) for k in range(CLASSES)])
        true, label = int(row["truth"]), int(row["label"])
        assert label == p.argmax() and (row["correct"] == "true") == (true == label)
        assert float(row["probability"]) == pytest.approx(p[label]) and float(row["loss"]) == pytest.approx(-np.log(p[true]))
        assert float(row["margin"]) == pytest.approx(p[true] - np.delete(p, true).max(), abs=1e-8)
        assert row["site"] in "01" and 0 <= int(row["film"]) < 60


def test_an_ensemble_writes_how_its_members_differ(tmp_path: Path, dlcli):
    """The entropy of the mean, and that less the mean of the entropies, from the members' own files."""
    done = dlcli("ensemble", "--members", "2", "--epochs", "1", "--quiet", "-o", tmp_path / "two")
    assert done.returncode == 0, done.stderr
    members = sorted((tmp_path / "two" / "members").iterdir())
    probabilities = {}
    for name, folder in (("mean", tmp_path / "two"), ("first", members[0]), ("second", members[1])):
        eval.run(
            EvalConfig(
                model=str(folder),
                data="digits",
                device="cpu",
                ensemble="mean" if name == "mean" else None,
                output=tmp_path / name,
            )
        )
        with (tmp_path / name / "predictions.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        probabilities[name] = np.array([[float(row[f"p_{k}"]) for k in range(10)] for row in rows])
        if name == "mean":
            spread = np.array([[float(row["entropy"]), float(row["disagreement"])] for row in rows])
        else:
            assert "entropy" not in rows[0]

    def entropy(p: np.ndarray) -> np.ndarray:
        return -(p * np.log(np.maximum(p, 1e-300))).sum(1)

    mean = (probabilities["first"] + probabilities["second"]) / 2
    assert probabilities["mean"] == pytest.approx(mean, abs=1e-6)
    assert spread[:, 0] == pytest.approx(entropy(mean), abs=1e-5)
    inner = (entropy(probabilities["first"]) + entropy(probabilities["second"])) / 2
    assert spread[:, 1] == pytest.approx(entropy(mean) - inner, abs=1e-5)


def test_gates_and_refusals(tmp_path: Path):
    path = tmp_path / "made.csv"
    path.write_text("y_true,y_pred,site\n" + "cat,cat,a\n" * 8 + "dog,cat,b\n" * 2)
    assert not eval.run(EvalConfig(model=str(path), fail_under=("top-1", 0.8))).failed
    failed = eval.run(EvalConfig(model=str(path), fail_under=("top-1", 0.81))).failed
    assert failed.startswith(f"top-1 on {path} is 0.800 [") and failed.endswith("below 0.81")
    with pytest.raises(InputError, match="no ece here|there is no auc"):
        eval.run(EvalConfig(model=str(path), fail_under=("auc", 0.8)))
    with pytest.raises(InputError, match="has no column 'camera'"):
        eval.run(EvalConfig(model=str(path), slices=("camera",)))
    with pytest.raises(UsageError, match="`tta` does not apply to predictions in a file"):
        eval.run(EvalConfig(model=str(path), tta=True))
    with pytest.raises(UsageError, match="`device` does not apply to predictions in a file"):
        eval.run(EvalConfig(model=str(path), device="cuda"))
    assert not eval.run(
        EvalConfig(model=str(path), device="cpu")
    ).failed  # as the environment of a machine may say for all runs
    for data in ("mnist", "digits"):
        with pytest.raises(UsageError, match="`data` does not apply"):
            EvalConfig(model=str(path), data=data)
    assert EvalConfig(**vars(EvalConfig(model=str(path)))).data == ""
    assert EvalConfig(model=str(path), against="digits-net").data == "digits"
    result = eval.run(EvalConfig(model=str(path)))
    assert EVAL.answer(result) == f"{path}: {percent(proportion(8, 10), '%')} of 10 examples right, 2 wrong"
    assert any("Without probabilities" in note for note in result.notes) and result.bins == ()
    assert eval.plan(EvalConfig(model=str(path))) == ["read 10 predictions of 2 classes: labels", "evaluate them"]


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("macro-f1", (0.8 + 2 / 3) / 2),
        ("balanced-accuracy", 0.75),
        ("mcc", 1 / 3**0.5),
        ("precision:b", 1.0),
        ("recall:b", 0.5),
        ("f1:a", 0.8),
        ("ap:b", 0.5 + 0.5 * 2 / 3),
        ("ap", 0.5 + 0.5 * 2 / 3),
    ],
)
def test_every_figure_of_classes_is_a_gate(tmp_path: Path, metric: str, value: float):
    """Of four examples, five times, two are a, both right, and two are b: one is right, the other third by its probability."""
    path = tmp_path / "made.csv"
    path.write_text("truth,p_a,p_b\n" + "a,0.9,0.1\na,0.6,0.4\nb,0.7,0.3\nb,0.2,0.8\n" * 5)
    for bound in (value - 1e-6, min(1.0, value + 1e-6)):
        failed = eval.run(EvalConfig(model=str(path), fail_under=(metric, bound))).failed
        assert bool(failed) == (bound > value), failed
        assert not failed or failed.startswith(
            f"{metric} on {path} is {value:.6f} ["
        )  # enough digits to tell it from the bound


def test_a_gate_of_a_class_that_is_not_there(tmp_path: Path):
    path = tmp_path / "made.csv"
    path.write_text("truth,label\ncat,cat\ndog,cat\n")
    with pytest.raises(InputError, match="there is no class 'cta'") as error:
        eval.run(EvalConfig(model=str(path), fail_under=("f1:cta", 0.5)))
    assert error.value.hint == "did you mean cat?"
    with pytest.raises(InputError, match="there is no auc:cat here"):
        eval.run(EvalConfig(model=str(path), fail_under=("auc:cat", 0.5)))
    with pytest.raises(UsageError, match="'speed:cat' is not one of"):
        EvalConfig(model=str(path), fail_under=("speed:cat", 0.5))


def test_the_page_has_curves(network: dict[str, str], tmp_path: Path):
    result = eval.run(EvalConfig(**network, output=tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert "ROC and precision-recall curves of the 6 classes of 7 with the lowest average precision." in page
    assert "Figures of each class against all others" in page
    rows = [row for row in result.records() if row["metric"] == "f1"]
    assert [row["class"] for row in rows] == [one.name for one in result.per_class]


def test_when_to_answer(tmp_path: Path):
    """Of 4,000 rows those with a probability below 0.6 are wrong half of the time, the others never."""
    p = np.linspace(0.5, 1, 4000)
    right = (p >= 0.6) | (np.arange(4000) % 2 == 0)
    rows = "\n".join(f"{'a' if one else 'b'},{x!r},{1 - x!r}" for one, x in zip(right, p.tolist(), strict=True))
    path = tmp_path / "made.csv"
    path.write_text("truth,p_a,p_b\n" + rows)
    result = eval.run(EvalConfig(model=str(path), abstain=0.01, output=tmp_path / "out"))
    found = result.abstention
    assert found.threshold == pytest.approx(0.6, abs=0.02) and found.errors.high <= 0.01
    assert any(note.startswith(f"From a probability of {found.threshold:.4f} on at most 1% of") for note in result.notes)
    assert "Errors among answers by the share answered" in (tmp_path / "out" / "report.html").read_text()
    (tmp_path / "labels.csv").write_text("truth,label\na,a\nb,a\n")
    with pytest.raises(InputError, match="`abstain` needs probabilities"):
        eval.run(EvalConfig(model=str(tmp_path / "labels.csv"), abstain=0.01))


def test_a_true_class_of_probability_0_leaves_no_likelihood(tmp_path: Path):
    path = tmp_path / "made.csv"
    path.write_text("truth,p_a,p_b\na,0.9,0.1\nb,1,0\nb,0.2,0.8\n")
    result = eval.run(EvalConfig(model=str(path)))
    whole = {"balanced-accuracy", "macro-precision", "macro-f1", "mcc", "ap"}
    assert {one.name for one in result.metrics} == {"top-1", "worst-class", "auc", "brier", "ece"} | whole
    assert "There is no NLL: the true class has the probability 0 in 1 row, first in row 2." in result.notes


def test_a_pipe_is_read_and_a_gate_has_status_1(dlcli):
    text = b"target,prediction\n" + b"1,1\n" * 5 + b"0,1\n" * 5
    done = dlcli("eval", "-", "--fail-under", "top-1=0.6", "--format", "csv", stdin=text)
    assert done.returncode == 1 and b"top-1,,0.5," in done.stdout


def test_torch_is_not_imported(tmp_path: Path):
    path = tmp_path / "made.csv"
    logits = np.random.default_rng(0).normal(size=(20, 3))
    rows = [f"{k % 3},{','.join(map(repr, row))}" for k, row in enumerate(np.exp(log_softmax(logits, 1)).tolist())]
    path.write_text("truth,p_0,p_1,p_2\n" + "\n".join(rows))
    code = (
        "import sys\nfrom dlcli.engines import eval\nfrom dlcli.specs.eval import EvalConfig\n"
        f"eval.run(EvalConfig(model={str(path)!r}, slices=('class',)))\nsys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[3]).returncode == 0


def test_what_is_asked_for_beside_the_figures_is_in_every_form(tmp_path: Path):
    """20 wrong labels that the probabilities are sure of, and a difference as in Connor's formula for usual shares."""
    path = tmp_path / "made.csv"
    y = np.arange(400) % 2
    given = np.where(np.arange(400) < 20, 1 - y, y)
    rows = [f"{given[k]},{0.98 if y[k] == 0 else 0.02},{0.02 if y[k] == 0 else 0.98}" for k in range(400)]
    path.write_text("truth,p_0,p_1\n" + "\n".join(rows) + "\n")
    plain = eval.run(EvalConfig(model=str(path)))
    result = eval.run(EvalConfig(model=str(path), suspects=True, abstain=0.2, detect=0.01))
    records = result.records()
    assert len({tuple(row) for row in records}) == 1  # each row has all columns, as CSV needs them
    assert [{name: row[name] for name in plain.records()[0]} for row in records[: len(plain.records())]] == plain.records()
    further = [row for row in records if row["metric"] not in {one["metric"] for one in plain.records()}]
    listed = [row for row in further if row["metric"] == "suspect"]
    assert sorted(row["index"] for row in listed) == list(range(20))
    assert {(row["given"], row["suggested"]) for row in listed} == {("1", "0"), ("0", "1")}
    assert [row["value"] for row in further if row["metric"] == "suspects"] == [20]
    images = {row["share"]: row["value"] for row in further if row["metric"] == "images-needed"}
    z = norm.ppf(0.975) + norm.ppf(0.8)
    assert images[0.05] == pytest.approx(z**2 * (0.05 - 0.01**2) / 0.01**2, abs=1)
    threshold, answered, errors = (row for row in further if row["metric"].startswith("abstain"))
    assert (threshold["value"], answered["value"], errors["value"]) == (pytest.approx(0.98), 1.0, pytest.approx(0.05))
    table = EVAL.table(result)
    assert [one.title for one in table.beside] == [
        "When to answer",
        "Examples that establish a difference of 1%",
        "Suspected labels, the first 10 of 20",
    ]
    assert not EVAL.table(plain).beside and "Suspected labels, the first 10 of 20" in markdown(table)
    against = eval.run(EvalConfig(model=str(path), against=str(path), abstain=0.2))
    assert [row["metric"] for row in against.records()][-3:] == ["abstain-threshold", "abstain-answered", "abstain-errors"]


@pytest.mark.parametrize("cells", [("0", "1", "2", "1"), ("5", "7", "6", "007.0"), ("a", "b", "c", "b")])
def test_two_rows_with_one_index_are_refused(cells: tuple[str, ...], tmp_path: Path):
    path = tmp_path / "twice.csv"
    path.write_text("Index,truth,label\n" + "".join(f"{cell},x,{'xy'[k % 2]}\n" for k, cell in enumerate(cells)))
    with pytest.raises(InputError, match=f"row 4, column 'Index': '{cells[3]}' is that of row 2 too"):
        eval.run(EvalConfig(model=str(path)))


def test_a_file_in_several_rows_is_noted_unless_they_have_an_index(tmp_path: Path):
    names = ["a.png", "b.png", "a.png", "a.png"]
    for name, head, first in (("files", "", ""), ("frames", "index,", "{},")):
        rows = [f"{first.format(k)}{file},x,{'xy'[k % 2]}\n" for k, file in enumerate(names)]
        (tmp_path / f"{name}.csv").write_text(f"{head}file,truth,label\n{''.join(rows)}")
    found, other = (eval.run(EvalConfig(model=str(tmp_path / f"{name}.csv"))) for name in ("files", "frames"))
    said = [
        note for note in found.notes if note.startswith("2 rows name a file that an earlier row names, first row 3 and row 1")
    ]
    assert len(said) == 1 and not any("name a file" in note for note in other.notes)


def test_a_note_is_printed_once_where_both_streams_go_to_one_place(tmp_path: Path):
    path = tmp_path / "made.csv"
    path.write_text("file,truth,label\n" + "".join(f"a.png,x,{'xy'[k % 2]}\n" for k in range(8)))
    command = [sys.executable, "-m", "dlcli", "eval", str(path), "--format", "table"]
    together = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    apart = subprocess.run(command, capture_output=True, text=True, check=True)
    note = "rows name a file that an earlier row names"
    assert (together.stdout.count(note), apart.stdout.count(note), apart.stderr.count(note)) == (1, 1, 1)


def test_notes_stand_below_the_figures_that_they_are_about(tmp_path: Path):
    path = tmp_path / "made.csv"
    path.write_text("truth,p_a,p_b\n" + "a,0.9,0.1\na,0.6,0.4\nb,0.7,0.3\nb,0.2,0.8\n" * 5)
    plain, against = (eval.run(EvalConfig(model=str(path), **more)) for more in ({}, {"against": str(path)}))
    for about in (WORST_CLASS_NOTE, ECE_NOTE):
        assert any(note.startswith(about) for note in EVAL.table(plain).notes)
        assert not any(note.startswith(about) for note in EVAL.table(against).notes)
        assert any(note.startswith(about) for note in against.notes)  # whose JSON has these figures


def _table(path: Path, classes: str, present: int, n: int = 60) -> Path:
    """Predictions of several classes, of which only the first ones have examples."""
    random = np.random.default_rng(5)
    y = np.arange(n) % present
    p = softmax(random.normal(size=(n, len(classes))) + 2 * np.eye(len(classes))[y], axis=1)
    rows = [[classes[k], *map(str, row)] for k, row in zip(y, p, strict=True)]
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([["truth", *(f"p_{one}" for one in classes)], *rows])
    return path


@pytest.mark.parametrize(("classes", "positive"), [("ab", "b"), ("ba", "a"), ("01", "1"), ("10", "1")])
def test_areas_of_two_classes_name_the_positive_one(tmp_path: Path, classes: str, positive: str):
    path = _table(tmp_path / "p.csv", classes, 2)
    result = eval.run(EvalConfig(model=str(path), output=tmp_path / "out"))
    named = {one.name: one for one in result.metrics if one.positive}
    assert {name: one.positive for name, one in named.items()} == {"auc": positive, "ap": positive}
    row = next(one for one in result.per_class if one.name == positive)
    assert row.ap == named["ap"].estimate and row.auc is not None
    assert row.auc.value == pytest.approx(named["auc"].estimate.value, abs=1e-12)
    shown, page = markdown(EVAL.table(result)), (tmp_path / "out" / "report.html").read_text()
    assert f"AUC of class {positive} " in shown and f"AP of class {positive} " in shown
    assert f"(of class {positive})" in page
    assert not any(one.positive for one in eval.run(EvalConfig(model=str(_table(tmp_path / "q.csv", "abc", 3)))).metrics)


@pytest.mark.parametrize(
    ("classes", "present", "said"),
    [
        ("abc", 2, "No example is of class c. Means over classes are of the others"),
        ("abcd", 2, "No example is of 2 classes (c, d). Means"),
        ("ab", 1, "No example is of class b. Means"),
        ("abc", 3, ""),
    ],
)
def test_classes_without_examples_are_noted(tmp_path: Path, classes: str, present: int, said: str):
    result = eval.run(EvalConfig(model=str(_table(tmp_path / "p.csv", classes, present))))
    noted = [note for note in result.notes if note.startswith("No example is of")]
    assert len(noted) == bool(said) and all(note.startswith(said) for note in noted)
    worst = [note for note in result.notes if note.startswith(WORST_CLASS_NOTE)]
    assert len(worst) == (present > 1) and all(f"all {present} classes" in note for note in worst)


def test_the_true_class_decides_no_tie_of_probabilities(tmp_path: Path):
    """The loss has more digits than probabilities: ranks by it would put each true class above, or below, its equals."""
    names = "abcdefg"
    rows = ["truth,loss," + ",".join(f"p_{one}" for one in names)]
    rows += [f"{one},{800 if one != 'a' else 0},1,0,0,0,0,0,0" for one in names]
    (tmp_path / "ties.csv").write_text("\n".join(rows) + "\n")
    result = eval.run(EvalConfig(model=str(tmp_path / "ties.csv")))
    found = {one.name: one.estimate.value for one in result.metrics}
    assert found["nll"] == pytest.approx(800 * 6 / 7)  # by the losses
    assert found["top-5"] == pytest.approx(5 / 7)  # six equal zeros, of which the first four count
    assert all(row.auc is None or row.auc.value == 0.5 for row in result.per_class)
    assert any("in another order top-5 is 14.3 to 100.0%" in note for note in result.notes)


@pytest.mark.parametrize(
    ("column", "cells", "said"),
    [
        ("split", "train,test,test", "The column 'split' names several sets: test (2 examples), train (1 example)."),
        ("Subset", "val,val,test", "The column 'Subset' names several sets: test (1 example), val (2 examples)."),
        ("split", "test,test,test", ""),
        ("split", "a,b,a", ""),
        ("site", "train,test,test", ""),
    ],
)
def test_a_table_of_several_sets_is_noted(tmp_path: Path, column: str, cells: str, said: str):
    rows = "".join(f"{k % 2},{k % 2},{cell}\n" for k, cell in enumerate(cells.split(",")))
    (tmp_path / "p.csv").write_text(f"truth,label,{column}\n{rows}")
    result = eval.run(EvalConfig(model=str(tmp_path / "p.csv")))
    noted = [note for note in result.notes if "several sets" in note]
    assert len(noted) == bool(said) and all(note.startswith(said) and f"`slices={column}`" in note for note in noted)
    sliced = eval.run(EvalConfig(model=str(tmp_path / "p.csv"), slices=(column,)))
    assert not any("`slices=" in note for note in sliced.notes)


def test_a_single_example_has_no_plural(tmp_path: Path):
    (tmp_path / "p.csv").write_text("truth,label,p_a,p_b,site\na,a,0.9,0.1,x\n")
    path = str(tmp_path / "p.csv")
    asked = ({}, {"slices": ("site",)}, {"group": "site"}, {"against": path}, {"suspects": True, "abstain": 0.1})
    for options in asked:
        result = eval.run(EvalConfig(model=path, **options))
        shown = " ".join([EVAL.answer(result), *result.notes])
        assert "1 example" in EVAL.answer(result)
        assert not re.search(r"\b1 (?:examples|classes|groups|labels|slices|points)\b|are 1 group", shown), shown


@pytest.mark.parametrize(("unit", "told"), [(" km", True), ("%", True), ("", False)])
def test_a_column_of_many_values_is_told_how_it_is_cut(tmp_path: Path, unit: str, told: bool):
    path = tmp_path / "t.csv"
    path.write_text("truth,label,dist\n" + "".join(f"{'ab'[k % 2]},a,{k % 50}{unit}\n" for k in range(200)))
    notes = eval.run(EvalConfig(model=str(path), slices=("dist",))).notes
    said = [note for note in notes if note.startswith("Of 'dist' the 20 most frequent values are slices, and (other) has all")]
    assert len(said) == told


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("y_true", "the true labels"),
        ("y_pred", "the predicted labels"),
        ("Index", "another number or name in each row"),
        ("loss", "what follows from the predictions"),
        ("p_0", "probabilities"),
        ("image_path", "the names of files, which go by 'file'"),
    ],
)
def test_slices_and_groups_by_the_predictions_themselves_are_told_what_these_are(tmp_path: Path, name: str, what: str):
    path = tmp_path / "made.csv"
    rows = [f"{k},{k}.png,{k % 2},{k % 2},0.9,{1 - k % 2},{k % 2},{'ab'[k % 3 > 0]}\n" for k in range(12)]
    path.write_text("Index,image_path,y_true,y_pred,loss,p_0,p_1,site\n" + "".join(rows))
    with pytest.raises(InputError, match=f"`slices`: .*the column '{name}' holds {what}, no metadata") as caught:
        eval.run(EvalConfig(model=str(path), slices=(name,)))
    assert caught.value.hint == "slices by the true labels are those by `class`"
    with pytest.raises(InputError, match=f"`group`: .*the column '{name}' holds {what}, no metadata"):
        eval.run(EvalConfig(model=str(path), group=name))
    assert {one.column for one in eval.run(EvalConfig(model=str(path), slices=("class", "file"), group="site")).slices} > {
        "class"
    }


@pytest.mark.parametrize("orient", ["columns", "split", "index", "list"])
@pytest.mark.parametrize("labels", [["cat", "dog"] * 5, [0, 1] * 80])
def test_a_data_frame_in_one_object_is_told_how_to_write_it(tmp_path: Path, orient: str, labels: list):
    frame = pd.DataFrame({"y_true": labels, "y_pred": labels[::-1], "site": ["a"] * len(labels)})
    path = tmp_path / "made.json"
    path.write_text(json.dumps(frame.to_dict("list")) if orient == "list" else frame.to_json(orient=orient))
    with pytest.raises(InputError, match=".") as caught:
        eval.run(EvalConfig(model=str(path)))
    assert "is one object" in str(caught.value.hint) and "to_json(orient='records')" in str(caught.value.hint)
    frame.to_json(path, orient="records")
    assert f"of {len(labels)} examples" in EVAL.answer(eval.run(EvalConfig(model=str(path))))
