"""Tables of predictions: what dlcli writes is what it reads, and tables of other programs are read as they are meant."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from dlcli.core.evaluation.prediction_columns import prediction_columns
from dlcli.core.evaluation.prediction_files import read_predictions
from dlcli.core.evaluation.predictions import of_logits
from dlcli.specs.predictions import is_prediction_file, pair_or_prediction_columns_option
from dlcli.support.errors import InputError
from dlcli.support.read_tables import parse_table
from dlcli.support.tables import Table, write_csv


def table(text: str) -> Table:
    return parse_table("given.csv", text.encode())


def written(found: Table) -> Table:
    stream = io.StringIO()
    write_csv(found, stream)
    return table(stream.getvalue())


NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8), min_size=2, max_size=6
)


@settings(max_examples=60)
@given(NAMES, st.integers(0, 2**32 - 1), st.floats(0.1, 40))
def test_what_is_written_is_read(names: list[str], seed: int, scale: float):
    """Any names of classes, and probabilities down to 0: labels and losses are the same, probabilities to nine digits."""
    outputs = tuple(f"{name}{k}" for k, name in enumerate(names))  # distinct, and none is empty
    random = np.random.default_rng(seed)
    n = 12
    before = of_logits(
        scale * random.normal(size=(n, len(outputs))).astype(np.float32), random.integers(len(outputs), size=n), outputs
    )
    metadata = {"camera": np.array(["a", "b"] * 6, dtype=object), "truth": np.zeros(n)}
    after = read_predictions(written(prediction_columns(before, None, metadata, {}, 10_000)))
    assert after.predictions.outputs == outputs and after.notes == () and set(after.metadata) == {"camera"}
    assert (after.predictions.y == before.y).all() and (after.predictions.predicted == before.predicted).all()
    rows = np.arange(n)
    exact = after.predictions.with_losses
    assert exact is not None and exact[rows, before.y] == pytest.approx(before.log_p[rows, before.y], abs=1e-12)
    assert np.exp(after.predictions.log_p) == pytest.approx(np.exp(before.log_p), abs=1e-8)


def test_too_many_probabilities_are_not_written():
    found = of_logits(np.eye(3, dtype=np.float32), np.arange(3), ("a", "b", "c"))
    columns = prediction_columns(found, ["1.png", "2.png", "3.png"], {}, {}, 8).columns
    assert columns == ["index", "file", "truth", "label", "probability", "loss", "margin", "correct"]


def test_margin_is_that_of_the_true_class():
    found = of_logits(np.log(np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]])), np.array([0, 1]), ("a", "b", "c"))
    made = prediction_columns(found, None, {}, {}, 100)
    margins = [float(row[made.columns.index("margin")]) for row in made.rows]
    assert margins == pytest.approx([0.3, -0.3])


P = "0.7,0.2,0.1\n"
TABLES = {
    "scikit-learn": f"y_true,y_pred,cat,dog,owl\ncat,cat,{P}dog,cat,{P}",
    "a class that no row has": f"target,prediction,cat,dog,owl\ncat,cat,{P}dog,cat,{P}",
    "words before": f"label,predicted,prob_cat,prob_dog,prob_owl\ncat,cat,{P}dog,cat,{P}",
    "words behind": f"Actual,cat_probability,dog_probability,owl_probability\ncat,{P}dog,{P}",
    "brackets": f"ground truth,P(cat),P(dog),P(owl)\ncat,{P}dog,{P}",
    "numbered": f"y_true,class_cat,class_dog,class_owl\ncat,{P}dog,{P}",
    "keras": f"filename,true_label,p.cat,p.dog,p.owl\na.png,cat,{P}b.png,dog,{P}",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_columns_of_other_programs(text: str):
    found = read_predictions(table(text)).predictions
    assert found.outputs == ("cat", "dog", "owl")
    assert (found.y.tolist(), found.predicted.tolist()) == ([0, 1], [0, 0])
    assert np.exp(found.log_p) == pytest.approx(np.array([[0.7, 0.2, 0.1]] * 2))
    assert found.confidence == pytest.approx(np.array([0.7, 0.7]))


def test_labels_alone():
    found = read_predictions(table("truth,label,site\n10,9,x\n9,9,y\n2.0,10,x\n"))
    assert found.predictions.outputs == ("9", "10", "2.0") and found.predictions.log_p is None
    assert found.predictions.confidence is None and found.metadata["site"].tolist() == ["x", "y", "x"]
    assert read_predictions(table("truth,label\n10.0,9\n9.0,9\n")).predictions.outputs == ("9", "10")


def test_the_output_of_predict_has_ranks_not_classes():
    head = "index,truth,label,probability,label_2,probability_2,label_3,probability_3"
    text = f"{head}\n0,1,1,0.9,2,0.05,3,0.03\n1,2,3,0.8,2,0.1,1,0.1\n"
    found = read_predictions(table(text)).predictions
    assert found.log_p is None and found.confidence == pytest.approx([0.9, 0.8])


@pytest.mark.parametrize(
    ("text", "predicted", "p"),
    [
        ("y_true,y_prob\n0,0.2\n1,0.9\n1,0.5\n", [0, 1, 1], [0.2, 0.9, 0.5]),
        ("y_true,y_pred,y_prob\n0,0,0.2\n1,1,0.9\n1,0,0.45\n", [0, 1, 0], [0.2, 0.9, 0.45]),
        ("y_true,y_pred,confidence\n0,0,0.8\n1,1,0.9\n1,0,0.55\n", [0, 1, 0], [0.2, 0.9, 0.45]),
        ("y_true,y_pred,confidence\nham,ham,0.8\nspam,spam,0.9\nspam,ham,0.55\n", [0, 1, 0], [0.2, 0.9, 0.45]),
    ],
)
def test_one_probability_of_two_classes(text: str, predicted: list[int], p: list[float]):
    found = read_predictions(table(text)).predictions
    assert (found.y.tolist(), found.predicted.tolist()) == ([0, 1, 1], predicted)
    assert np.exp(found.log_p[:, 1]) == pytest.approx(p)


@pytest.mark.parametrize("names", ["labels,preds", "y_test,y_pred", "y_test,preds", "expected,predictions", "expected,label"])
def test_further_names_of_both_labels(names: str):
    found = read_predictions(table(f"{names}\na,b\nb,b\na,a\n")).predictions
    assert (found.outputs, found.y.tolist(), found.predicted.tolist()) == (("a", "b"), [0, 1, 0], [1, 1, 0])


@pytest.mark.parametrize("name", ["labels", "expected", "y_test", "preds", "predictions", "proba"])
def test_further_names_take_the_place_of_no_other(name: str):
    found = read_predictions(table(f"{name},truth,predicted\n0.1,a,b\n0.2,b,b\n0.9,a,a\n"))
    assert (found.predictions.y.tolist(), found.predictions.predicted.tolist()) == ([0, 1, 0], [1, 1, 0])
    assert list(found.metadata) == [name]


@pytest.mark.parametrize("name", ["proba", "y_pred_proba", "pred_prob"])
def test_further_names_of_one_probability(name: str):
    found = read_predictions(table(f"y_test,{name}\n0,0.2\n1,0.9\n1,0.5\n")).predictions
    assert (found.y.tolist(), found.predicted.tolist()) == ([0, 1, 1], [0, 1, 1])
    assert found.log_p is not None and np.exp(found.log_p[:, 1]) == pytest.approx([0.2, 0.9, 0.5])


def test_a_label_below_the_most_probable_is_said():
    found = read_predictions(table("truth,label,p_a,p_b\na,b,0.6,0.4\nb,b,0.1,0.9\n"))
    assert found.predictions.confidence == pytest.approx([0.4, 0.9])
    assert "In 1 row the predicted label is not the most probable class" in found.notes[0]


def test_rounded_probabilities_are_scaled_and_it_is_said():
    found = read_predictions(table("truth,p_a,p_b,p_c\na,0.333,0.333,0.333\nb,0.1,0.9,0\n"))
    assert np.exp(found.predictions.log_p[0]) == pytest.approx([1 / 3] * 3)
    assert found.notes == ("Probabilities are divided by their sum, which is 0.9990 to 1.0000.",)


@pytest.mark.parametrize(
    ("probability", "told"),
    [
        (("0.9", "0.7", "0.8"), None),
        (("0.9", "0.7", "0.2"), None),  # that of `a` in each row
        (
            ("0.9", "0.7", "0.5"),
            "in 1 row it is not the probability that the columns of classes give the predicted label, in row 3",
        ),
        (("90", "high", "0.8"), "in 2 rows it is not the probability"),
    ],
)
def test_a_probability_that_the_columns_of_classes_contradict_is_told(probability: tuple[str, ...], told: str | None):
    rows = zip("aab", "aab", probability, ("0.9", "0.7", "0.2"), ("0.1", "0.3", "0.8"), strict=True)
    found = read_predictions(table("truth,label,probability,p_a,p_b\n" + "".join(",".join(row) + "\n" for row in rows)))
    notes = [note for note in found.notes if "'probability' is not used" in note]
    assert not notes if told is None else told in notes[0]
    assert found.predictions.confidence == pytest.approx([0.9, 0.7, 0.8])


def test_a_loss_of_something_else_is_not_used():
    found = read_predictions(table("truth,p_a,p_b,loss\na,0.5,0.5,7\nb,0.1,0.9,0.1\n"))
    assert found.predictions.log_p[0, 0] == pytest.approx(np.log(0.5)) and "'loss' is not used" in found.notes[0]


BAD = {
    "no truth": ("site,probability\na,0.5\n", "has no column of true labels"),
    "one column of labels": ("label,site\na,x\n", "has no column of labels but 'label'"),
    "labels and a probability of no known class": ("label,probability\na,0.5\n", "has no column of labels but 'label'"),
    "no label": ("truth,site\na,x\nb,y\n", "has no column of predicted labels"),
    "no rows": ("truth,label\n", "has no rows"),
    "an empty label": ("truth,label\na,a\n,a\n", "row 2, column 'truth': the label is empty"),
    "a missing label": ("truth,label\n" + "a,a\n" * 99 + "NaN,a\n", "row 100, column 'truth': 'NaN' is a missing label"),
    "a missing predicted label": ("truth,label\na,a\nb,<NA>\n", "row 2, column 'label': '<NA>' is a missing label"),
    "a header again": ("truth, label\na,a\nb,b\ntruth,label\na,b\n", "row 3 holds the names of the columns again"),
    "an unknown label": (
        "truth,label,p_a,p_b\na,a,1,0\nb,a,1,0\nc,a,1,0\n",
        "row 3, column 'truth': 'c' is none of the classes",
    ),
    "no sum": ("truth,p_a,p_b\na,0.5,0.5\nb,0.5,0.3\n", "row 2: the probabilities .p_a, p_b. sum to 0.8, not 1"),
    "no sum, few digits": ("truth,p_a,p_b\na,0.5,0.5\nb,0.6,0.3\n", "row 2: the probabilities .p_a, p_b. sum to 0.9, not 1"),
    "two truths": ("truth,truth,label\na,b,a\nb,a,b\n", "has several columns called 'truth'"),
    "two labels": ("truth,label,label\na,b,a\nb,a,b\n", "has several columns called 'label'"),
    "a class twice": ("truth,p_a,p_b,p_b\na,1,0,0\nb,0,1,0\n", "has several columns called 'p_b'"),
    "logits": ("truth,p_a,p_b\na,0.5,0.5\nb,-3.5,0.3\n", "row 2, column 'p_a': '-3.5' is not a probability"),
    "percentages": ("truth,p_a,p_b\na,50,50\nb,35.5,64.5\n", "row 1, column 'p_a': '50' is not a probability"),
    "other names": (
        "truth,prob_0,prob_1\na,0.9,0.1\nb,0.7,0.3\n",
        "no column of predicted labels, and the columns prob_0, prob_1 look like probabilities, but are not called .* a, b",
    ),
    "scores": ("truth,predicted\n1.25,1.5\n2.5,2.75\n3,3.5\n4.75,4.5\n", "row 1, column 'truth': '1.25' is a number with a"),
    "scores of few values": (
        "truth,predicted\n1,1.25\n0.5,1.5\n1,0.5\n0.5,1.75\n",
        "row 2, column 'truth': '0.5' is a number with a fraction, not a class",
    ),
    "no number": ("truth,p_a,p_b\na,0.5,0.5\nb,n/a,0.3\n", "row 2, column 'p_a': 'n/a' is not a probability"),
    "not correct": (
        "truth,label,correct\na,a,true\nb,a,1\n",
        "row 2: correct is 1, but the true label is 'b' and 'a' predicted",
    ),
    "no confidence": ("truth,label,confidence\na,a,0.9\nb,a,0.3\n", "'label' does not follow from 'confidence'"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_is_refused_by_row(text: str, message: str):
    with pytest.raises(InputError, match=message):
        read_predictions(table(text))


@given(st.integers(2, 10), st.integers(2, 4), st.integers(0, 1000))
def test_rounded_probabilities_are_read_and_divided_by_their_sum(classes: int, digits: int, seed: int):
    p = np.random.default_rng(seed).dirichlet(np.ones(classes), 40)
    names = [chr(ord("a") + k) for k in range(classes)]
    lines = [f"{names[k % classes]},{','.join(f'{value:.{digits}f}' for value in row)}" for k, row in enumerate(p)]
    found = read_predictions(table("\n".join(["truth," + ",".join(f"p_{name}" for name in names), *lines]) + "\n"))
    assert found.predictions.outputs == tuple(names)
    assert np.exp(found.predictions.log_p) == pytest.approx(p, abs=2 * classes * 10.0**-digits)
    assert np.exp(found.predictions.log_p).sum(1) == pytest.approx(1)


@pytest.mark.parametrize("names", [("p_C", "p_D"), ("p_x", "p_y"), ("y_0_prob", "y_1_prob"), ("p0", "p1")])
def test_probabilities_of_classes_of_other_names_are_told(names: tuple[str, str]):
    text = "truth,predicted,{},{},size_1,size_2\na,a,0.9,0.1,1,1\nb,a,0.7,0.3,1,1\n".format(*names)
    found = read_predictions(table(text))
    assert found.predictions.log_p is None
    assert [note for note in found.notes if "Not used" in note and names[0] in note and "a, b" in note]
    assert not [note for note in read_predictions(table(text.replace("0.3", "3"))).notes if "Not used" in note]
    with pytest.raises(InputError, match="'label' may not hold the predicted labels, and the columns .* look like") as caught:
        read_predictions(table(text.replace("predicted", "label")))
    assert caught.value.hint is not None and "label=label" in caught.value.hint
    assert read_predictions(table(text.replace("predicted", "label")), ("label=label",)).notes == found.notes


@pytest.mark.parametrize("first", ["[0.25, 0.75]", "[1e-05, 0.99999]", "[1,0]"])
def test_lists_of_probabilities_are_told(first: str):
    text = f'{{"truth": 1, "probs": {first}}}\n{{"truth": 0, "probs": [0.5, 0.5]}}\n'.encode()
    with pytest.raises(InputError, match="the column probs holds lists of numbers"):
        read_predictions(parse_table("given.jsonl", text))
    with_label = parse_table("given.jsonl", text.replace(b'"probs"', b'"pred": 0, "probs"'))
    assert [note for note in read_predictions(with_label).notes if "Not used: the column probs" in note]


@pytest.mark.parametrize("name", ["y_score", "score", "probability", "p", "prob"])
@pytest.mark.parametrize("cut", [0.6, 0.75, 0.9])
def test_one_probability_from_half_on_is_that_of_the_positive_class_if_the_labels_follow_from_it(name: str, cut: float):
    """scikit-learn's area under the curve of the column, whatever threshold the labels were made by."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60)
    score = (0.5 + 0.5 * rng.beta(2 + 2 * truth, 3, 60)).round(6)
    rows = [f"{y},{int(s >= cut)},{s}" for y, s in zip(truth, score, strict=True)]
    found = read_predictions(table(f"y_true,y_pred,{name}\n" + "\n".join(rows) + "\n"))
    areas = roc_auc_score(truth, np.exp(found.predictions.log_p[:, 1])), roc_auc_score(truth, score)
    assert areas[0] == pytest.approx(areas[1]) and "The probability is that of '1'" in found.notes[0]


@pytest.mark.parametrize("name", ["probability", "confidence", "score", "prob"])
@pytest.mark.parametrize("cut", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("of", ["positive", "predicted", "negative"])
def test_whose_probability_it_is_follows_from_the_labels(name: str, cut: float, of: str):
    """A network that predicts the positive class from a cut on writes one of three probabilities; the area is one."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 150)
    p = rng.beta(1 + 2 * truth, 3 - 2 * truth * 0.9, 150).round(6)
    label = (p >= cut).astype(int)
    written = {"positive": p, "predicted": np.where(label == 1, p, 1 - p), "negative": 1 - p}[of].round(6)
    rows = [f"{y},{one},{s}" for y, one, s in zip(truth, label, written, strict=True)]
    found = read_predictions(table(f"y_true,y_pred,{name}\n" + "\n".join(rows) + "\n")).predictions
    assert roc_auc_score(truth, np.exp(found.log_p[:, 1])) == pytest.approx(roc_auc_score(truth, p))


@pytest.mark.parametrize("predicted", [0, 1])
@pytest.mark.parametrize("of", [0, 1])
def test_where_one_class_is_predicted_the_reading_that_most_labels_fit_counts(predicted: int, of: int):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 40)
    p = (0.55 + 0.4 * rng.beta(1 + truth, 2, 40)).round(6) if predicted else (0.45 - 0.4 * rng.beta(2, 1 + truth, 40)).round(6)
    rows = [f"{y},{predicted},{s:.6f}" for y, s in zip(truth, p if of else 1 - p, strict=True)] + [f"0,{predicted},0.5"]
    found = read_predictions(table("y_true,y_pred,p\n" + "\n".join(rows) + "\n")).predictions
    assert roc_auc_score(truth, np.exp(found.log_p[:40, 1])) == pytest.approx(roc_auc_score(truth, p))


@pytest.mark.parametrize(
    ("rows", "whose"),
    [
        (["0,0,0.3", "0,0,0.7", "1,1,0.9", "1,1,0.6"], None),  # row 1 fits the one reading, row 2 the other
        (["0,0,0.3", "0,0,0.7", "1,1,0.9", "1,1,0.8"], None),  # a threshold of 0.75 on both
        (["0,0,0.3", "0,0,0.7", "1,1,0.9", "1,1,0.6", "0,0,0.1"], "'1'"),
        (["0,0,0.3", "0,0,0.7", "1,1,0.9", "1,1,0.6", "0,0,0.8"], "the predicted label"),
    ],
)
def test_a_probability_that_fits_two_readings_alike_is_refused(rows: list[str], whose: str | None):
    given = table("y_true,y_pred,p\n" + "\n".join(rows * 3) + "\n")
    if whose is None:
        with pytest.raises(InputError, match="may be that of '1' or of the predicted label") as error:
            read_predictions(given)
        assert error.value.hint == "give a column of probabilities for each class"
    else:
        assert any(f"that of {whose}, since" in note for note in read_predictions(given).notes)


@pytest.mark.parametrize(
    ("style", "name"),
    [("p_{}", "red"), ("p_{}", "rob"), ("class_{}", "name"), ("pred_{}", "label"), ("{}", "gold"), ("prediction_{}", "label")],
)
def test_a_class_may_be_called_so_that_its_column_has_another_name(style: str, name: str):
    """`p_red` is not `pred`."""
    rng = np.random.default_rng(0)
    classes = ["blue", name, "zoe"]
    p = rng.dirichlet(np.ones(3), 30).round(6)
    names = [style.format(one) for one in classes]
    rows = [",".join([classes[k % 3], classes[row.argmax()], *(f"{one:.6f}" for one in row)]) for k, row in enumerate(p)]
    found = read_predictions(table(",".join(["truth", "label", *names]) + "\n" + "\n".join(rows) + "\n")).predictions
    at = [found.outputs.index(one) for one in classes]
    assert np.exp(found.log_p[:, at]) == pytest.approx(p / p.sum(1, keepdims=True), abs=1e-6)


@pytest.mark.parametrize(
    ("column", "rows"),
    [
        ("y_score", [(1, 0.9), (0, 0.95), (1, 0.6), (0, 0.7), (1, 0.8), (0, 0.55), (1, 0.99), (0, 0.8)]),  # no threshold
        ("score", [(1, 0.9), (0, 0.6), (1, 0.95), (0, 0.7)]),  # one in six orders
        ("confidence", [(1, 0.9 + k / 100) for k in range(8)] + [(0, 0.6 + k / 100) for k in range(8)]),  # by its name
        ("p", [(0, 0.9), (0, 0.6), (0, 0.95)]),  # one class only
    ],
)
def test_else_it_is_that_of_the_predicted_label(column: str, rows: list[tuple[int, float]]):
    text = f"y_true,y_pred,{column}\n0,0,0.9\n" + "".join(f"1,{label},{p}\n" for label, p in rows)
    found = read_predictions(table(text))
    assert found.predictions.confidence.tolist() == pytest.approx([0.9, *(p for _, p in rows)])
    assert "The probability is that of the predicted label" in found.notes[0]


def test_several_columns_of_a_name_that_is_not_used_are_no_matter():
    assert read_predictions(table("truth,note,note,label\na,x,y,a\nb,x,y,a\n")).predictions.correct.tolist() == [True, False]


def test_columns_by_name():
    text = "what,guess,q-a,q-b\na,b,0.4,0.6\nb,b,0.1,0.9\n"
    found = read_predictions(table(text), ("truth=what", "label=guess", "classes=q-")).predictions
    assert found.outputs == ("a", "b") and found.predicted.tolist() == [1, 1]
    with pytest.raises(InputError, match="no column 'wat'"):
        read_predictions(table(text), ("truth=wat",))
    with pytest.raises(InputError, match="no column begins with 'z'"):
        read_predictions(table(text), ("truth=what", "label=guess", "classes=z"))


def test_the_option_that_names_columns():
    parse = pair_or_prediction_columns_option().metadata["option"].parse
    assert parse("truth=a,label=b") == ("truth=a", "label=b") and parse("a,b,c") == ("a", "b", "c")
    for wrong in ("truth=a,b", "colour=a", "truth=", "truth=a,truth=b"):
        with pytest.raises(ValueError, match="."):
            parse(wrong)


@pytest.mark.parametrize("name", ["p.csv", "P.CSV.gz", "x.parquet", "-", "a.b.jsonl"])
def test_names_of_tables(name: str):
    assert is_prediction_file(name)


@pytest.mark.parametrize("name", ["run", "net.onnx", "w.pt2", "file.py:net", "torchvision:resnet18", "csv"])
def test_names_of_networks(name: str):
    assert not is_prediction_file(name)


def test_probabilities_are_no_labels():
    rows = "\n".join(f"{k % 2},{0.1 + 0.08 * k:.3f}" for k in range(10))
    with pytest.raises(InputError, match="row 1, column 'prediction': '0.100' is not a label such as '0'") as caught:
        read_predictions(table(f"label,prediction\n{rows}\n"))
    assert "probability=NAME" in caught.value.hint


def test_numbers_with_fractions_may_be_classes():
    """As the stars of reviews, which few values and predictions of the same values tell."""
    rows = "".join(f"{(k % 9 + 1) / 2},{((k + k // 9) % 9 + 1) / 2}\n" for k in range(27))
    found = read_predictions(table("truth,predicted\n" + rows)).predictions
    assert (len(found.outputs), int(found.correct.sum())) == (9, 9)


@pytest.mark.parametrize(
    ("cells", "likely"),
    [
        ("50,50", "are these percentages?"),
        ("50%,50%", "are these percentages?"),
        ("-3.5,0.3", "are these logits?"),
        ("350,20", "are these logits?"),
        (",1", "is it missing? omit such rows"),
        ("nan,0.4", "is it missing?"),
        ("1.2,", "are these percentages?"),
    ],
)
def test_what_is_no_probability_is_guessed(cells: str, likely: str):
    with pytest.raises(InputError) as caught:
        read_predictions(table(f"truth,p_a,p_b\na,{cells}\nb,{cells}\n"))
    assert caught.value.hint.startswith(likely)


def test_labels_of_another_kind_are_refused():
    with pytest.raises(InputError, match="'first' is not a label such as 'a'"):
        read_predictions(table("truth,predicted\na,first\nb,second\n"))
    # One row may be wrong.
    assert read_predictions(table("truth,predicted\na,b\n")).predictions.correct.tolist() == [False]


DISJOINT = {
    "probabilities": ("truth,predicted,p_a,p_b,p_c\na,c,.2,.3,.5\nb,c,.2,.3,.5\n", {}, False),
    "probabilities of one class": ("p_yes,p_no,y_pred,label_true\n.4,.6,no,yes\n.3,.7,no,yes\n", {}, False),
    "probabilities of classes with points": ("truth,label,p_01,p_.4\n01,.4,.2,.8\n01,.4,.2,.8\n", {}, False),
    "names": ("truth,predicted\na,c\nb,c\n", {"truth": "truth", "label": "predicted"}, True),
    "names of one class": ("t,p\nb,a\nb,a\n", {"truth": "t", "label": "p"}, True),
}


@pytest.mark.parametrize(("text", "named", "noted"), DISJOINT.values(), ids=DISJOINT)
def test_all_answers_may_be_wrong(text: str, named: dict[str, str], noted: bool):
    found = read_predictions(table(text), [f"{role}={name}" for role, name in named.items()])
    assert found.predictions.correct.tolist() == [False, False]
    assert any("No predicted label" in note for note in found.notes) == noted


@pytest.mark.parametrize("start", [-1, 0, 1, 5])
@pytest.mark.parametrize("beside", [-1, 1])
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("form", ["{}", "{}.0", "{:03}"])
def test_labels_that_are_counted_from_two_numbers_are_refused(start: int, beside: int, classes: int, form: str):
    random = np.random.default_rng(classes)
    truth = np.arange(50) % classes
    predicted = np.where(random.random(50) < 0.7, truth, random.integers(classes, size=50))
    text = "".join(
        f"{form.format(a + start)},{form.format(b + start + beside)}\n" for a, b in zip(truth, predicted, strict=True)
    )
    with pytest.raises(InputError, match=f"rows the predicted label is the true one {'plus' if beside > 0 else 'minus'} 1"):
        read_predictions(table("truth,predicted\n" + text))
    found = read_predictions(table("a,b\n" + text), ("truth=a", "label=b"))
    assert any("such rows count as wrong" in note for note in found.notes)
    assert found.predictions.correct.tolist() == (truth == predicted + beside).tolist()


@pytest.mark.parametrize(
    "rows",
    [
        [(1, 0)] * 9,  # a class that is never found
        [(k % 3, (k + 1) % 3) for k in range(30)],  # the same numbers in both columns
        [(k % 5, max(0, k % 5 - 1)) for k in range(50)],  # ratings that are too low
        [(k % 3 + 1, 0) for k in range(30)],
    ],
)
def test_numbers_beside_the_true_ones_may_be_wrong_answers(rows: list[tuple[int, int]]):
    found = read_predictions(table("truth,predicted\n" + "".join(f"{a},{b}\n" for a, b in [*rows, (1, 1)])))
    assert found.predictions.correct.sum() == sum(a == b for a, b in rows) + 1


@pytest.mark.parametrize("columns", ["y_true,y_pred", "y_pred,y_true"])
def test_signs_beside_zeros_and_ones_are_refused(columns: str):
    text = f"{columns}\n" + "0,-1\n1,1\n0,-1\n1,1\n1,-1\n"
    with pytest.raises(InputError, match="has -1, the other 0"):
        read_predictions(table(text))
    assert read_predictions(table(text), ("truth=y_true", "label=y_pred")).predictions.correct.sum() == 2
    assert read_predictions(table(columns + "\n-1,-1\n0,1\n1,0\n")).predictions.correct.sum() == 1


def test_a_second_column_of_predicted_labels_is_refused_though_it_is_right():
    rows = "cat,cat,cat\ndog,dog,cat\ndog,dog,dog\n"
    with pytest.raises(InputError, match="may be those of 'prediction' or of 'pred', which differ in row 2"):
        read_predictions(table(f"label,pred,prediction\n{rows}"))
    named = read_predictions(table(f"label,pred,prediction\n{rows}"), ("label=prediction",))
    assert named.predictions.correct.tolist() == [True, False, True]


@pytest.mark.parametrize("names", [("pred", "prediction"), ("yhat", "predicted_label"), ("y_pred", "preds")])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("by", ["probabilities", "correct"])
def test_of_two_columns_of_predicted_labels_the_table_tells_the_right_one(names: tuple[str, str], classes: int, by: str):
    random = np.random.default_rng(classes)
    p = random.dirichlet(np.ones(classes), 40).round(6)
    truth, other = random.integers(classes, size=40), random.integers(classes, size=40)
    right = p.argmax(1) == truth
    for first, second in (names, names[::-1]):
        head = ["y_true", first, second, *(f"p_{k}" for k in range(classes))]
        rows = [[truth[k], p[k].argmax(), other[k], *(f"{one:.6f}" for one in p[k])] for k in range(40)]
        if by == "correct":
            head, rows = [*head[:3], "correct"], [[*row[:3], right[k]] for k, row in enumerate(rows)]
        found = read_predictions(table("\n".join(",".join(map(str, row)) for row in [head, *rows])))
        assert found.predictions.correct.tolist() == right.tolist()
        assert any(note.startswith(f"The predicted labels are those of '{first}', which") for note in found.notes)


@pytest.mark.parametrize("columns", ["label,pred", "y_true,y_pred"])
def test_that_no_row_is_right_is_said(columns: str):
    rows = "cat,dog\ndog,cat\ncat,dog\n"
    said = "No row is right: are the labels those of"
    assert any(note.startswith(said) for note in read_predictions(table(f"{columns}\n{rows}")).notes)
    assert not any(note.startswith(said) for note in read_predictions(table(f"{columns}\n{rows}cat,cat\n")).notes)


OTHER_NOTATION = {
    "true, 1": ("True,1\nFalse,0\nTrue,0\n", "the true labels are false/true, the predicted ones 0/1"),
    "yes, true": ("yes,True\nno,False\nyes,False\n", "the true labels are no/yes, the predicted ones false/true"),
    "1, pos": ("1,pos\n0,neg\n", "the true labels are 0/1, the predicted ones neg/pos"),
    "names, numbers": ("cat,0\ndog,1\n", "one column holds numbers, the other names"),
    "numbers, names": ("3,cat\n4,dog\n", "one column holds numbers, the other names"),
    "case": ("Cat,cat\nDog,dog\n", "'Cat' and 'cat' differ in case only"),
    "digits": ("01,1\n02,2\n", "'01' and '1' are the same number"),
}


@pytest.mark.parametrize("named", [(), ("truth=truth", "label=predicted")], ids=["found", "named"])
@pytest.mark.parametrize(("rows", "how"), OTHER_NOTATION.values(), ids=OTHER_NOTATION)
def test_true_and_predicted_labels_in_two_notations_are_refused(rows: str, how: str, named: tuple[str, ...]):
    """Also where the user names both columns: 0% would be a wrong figure."""
    with pytest.raises(InputError, match=how) as caught:
        read_predictions(table(f"truth,predicted\n{rows}"), named)
    assert "in one notation" in caught.value.hint


@pytest.mark.parametrize("more", [("", ""), (",probability", ",0.7"), (",p_true", ",0.7"), (",proba", ",0.7")])
@pytest.mark.parametrize("labels", [("True", "true"), ("Yes", "yes"), ("POS", "pos"), ("False", "false")])
def test_a_class_of_a_known_pair_in_two_notations_is_refused(labels: tuple[str, str], more: tuple[str, str]):
    first, second = labels
    rows = f"{first},{second}{more[1]}\n{second},{second}{more[1]}\n"
    with pytest.raises(InputError, match=f"'{first}' and '{second}' are one label in two notations"):
        read_predictions(table(f"truth,predicted{more[0]}\n{rows}"))


@pytest.mark.parametrize("only", ["true", "No", "1", "pos", "a"])
def test_labels_of_one_class_are_of_one_class(only: str):
    """No probability shows that there is another one, as it does where there is one."""
    rows = f"{only},{only},0.9\n" * 3
    assert read_predictions(table(f"truth,predicted,height\n{rows}")).predictions.outputs == (only,)
    found = read_predictions(table(f"truth,predicted,probability\n{rows}")).predictions
    assert len(found.outputs) == 1 + (only != "a") and only in found.outputs


@pytest.mark.parametrize("name", ["proba", "y_pred_proba", "pred_prob"])
def test_a_column_that_may_be_a_probability_is_told(name: str):
    text = f"truth,predicted,{name}\na,a,0.9\nb,a,0.7\n"
    assert [note for note in read_predictions(table(text)).notes if f"probability={name}" in note]
    named = read_predictions(table(text), [f"probability={name}"])
    assert named.predictions.confidence == pytest.approx([0.9, 0.7]) and not [n for n in named.notes if "Not used" in n]


@pytest.mark.parametrize(("column", "second"), [("p_1", True), ("p_0", False), ("1_prob", True)])
def test_one_column_of_two_classes_is_enough(column: str, second: bool):
    p = np.array([0.2, 0.9, 0.7])
    given = p if second else 1 - p
    rows = "".join(f"{y},{label},{one:.1f}\n" for y, label, one in zip("010", "011", given, strict=True))
    found = read_predictions(table(f"y_true,y_pred,{column}\n{rows}"))
    assert np.exp(found.predictions.log_p[:, 1]) == pytest.approx(p)
    assert f"The column '{column}' is the probability of '{'1' if second else '0'}'." in found.notes


def test_labels_of_another_threshold_are_told():
    found = read_predictions(table("y_true,y_pred,score\n0,0,0.2\n1,1,0.4\n0,1,0.35\n1,1,0.9\n"))
    assert found.notes[-1].startswith("In 2 rows the predicted label is not the most probable class")


@pytest.mark.parametrize(
    "text",
    [
        "truth;label;p_a;p_b\na;a;0,9;0,1\nb;a;0.8;0.2\n",
        "truth;label;a;b\na;a;0,9;0,1\nb;a;0,8;0,2\n",
        "truth;label;probability\na;a;0,9\nb;a;0,8\n",
        "y_true;y_prob\n0;0,9\n1;0,8\n",
    ],
)
def test_a_decimal_comma_is_named(text: str):
    with pytest.raises(InputError, match="row 1, column '.*': '0,9' is not a number: its decimal mark is a comma") as caught:
        read_predictions(table(text))
    assert caught.value.hint == "write 0.9, with a point"


def test_classes_that_differ_in_case_are_named():
    found = read_predictions(table("truth,label\nCat,cat\ncat,cat\ndog,Dog\ndog,dog\n"))
    assert found.notes == ("'Cat' and 'cat' differ in case only (2 such pairs), and count as two classes.",)
    assert found.predictions.outputs == ("Cat", "Dog", "cat", "dog")
    of_columns = read_predictions(table("truth,p_Cat,p_cat\nCat,0.9,0.1\ncat,0.2,0.8\n"))
    assert "'Cat' and 'cat' differ" in of_columns.notes[0]
    assert read_predictions(table("truth,label\ncat,cat\ndog,Bird\n")).notes == ()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["0", "00", "7"], "'0' and '00' are the same number, and count as two classes."),
        (["1.5", "1.50"], "'1.5' and '1.50' are the same number, and count as two classes."),
        (["1.1", "1.10", "2", "02"], "'02' and '2' are the same number (2 such pairs), and count as two classes."),
        (["caf\u00e9", "cafe\u0301"], "'cafe\u0301' and 'caf\u00e9' look the same, and count as two classes."),
        (["0", "-1", "10", "a1", "a01"], ""),
    ],
)
def test_classes_of_the_same_value_or_characters_are_named(labels: list[str], said: str):
    """As a table with `00` beside `0`: nothing tells whether these are meant as one."""
    found = read_predictions(table("truth,label\n" + "".join(f"{one},{one}\n" for one in labels * 9)))
    assert found.notes == ((said,) if said else ())


@pytest.mark.parametrize("mixed", [["0", "1.0"], ["0.0", "1."], ["1", "1.0", "0"], ["0.0", "1", "0.5"]])
@pytest.mark.parametrize("column", ["truth", "label"])
def test_whole_numbers_with_and_without_a_point_are_one_class(mixed: list[str], column: str):
    """Programs write numbers of a column that had gaps with a point, in some rows or in one column only."""
    plain = [f"{float(one):g}" for one in mixed] * 9
    cells = {"truth": plain, "label": plain, column: mixed * 9}
    found = read_predictions(table("truth,label\n" + "".join(f"{a},{b}\n" for a, b in zip(*cells.values(), strict=True))))
    assert found.predictions.correct.all() and set(found.predictions.outputs) == set(plain) and found.notes == ()


def test_classes_that_are_one_number_have_no_probabilities_each():
    with pytest.raises(InputError, match=r"the classes '1' and '1\.0', which are one number"):
        read_predictions(table("truth,label,p_1,p_1.0,p_red\n1,1,.8,.1,.1\n1,1.0,.1,.8,.1\nred,red,.1,.1,.8\n"))
    both = read_predictions(table("truth,label,p_1,p_01\n1,1,.8,.2\n01,01,.2,.8\n")).predictions
    assert both.correct.all() and len(both.outputs) == 2


def test_lists_are_no_labels():
    """As the columns of a data frame that was written as one object."""
    found = parse_table("given.json", b'{"y_true": [1, 0, 1], "y_pred": [1, 1, 1]}')
    with pytest.raises(InputError, match="row 1, column 'y_true': holds several labels"):
        read_predictions(found)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("truth,target,pred\na,b,a\nb,b,b\n", "The true labels are those of 'truth', not of 'target'; `columns` names another"),
        ("y_true,class,pred\na,b,a\nb,b,b\n", "The true labels are those of 'y_true', not of 'class'"),
        ("gold,truth,pred\na,b,b\nb,a,a\n", "The true labels are those of 'truth', not of 'gold'"),
        ("y_true,gold,actual,pred\n1,0,1.0,1\n0,0,0.0,0\n", "The true labels are those of 'y_true', not of 'gold';"),
        ("truth,target,pred\na,a,a\nb,b,b\n", ""),
        ("truth,y,pred\na,0.3,a\nb,7,b\n", ""),
    ],
)
def test_a_second_column_that_may_be_meant_is_named(text: str, note: str):
    notes = read_predictions(table(text)).notes
    assert [one.startswith(note) for one in notes] == ([True] if note else [])


def test_a_column_that_is_named_has_no_rival():
    text = "truth,target,pred\na,b,a\nb,b,b\na,a,a\n"
    for column, right in (("truth", [True, True, True]), ("target", [False, True, True])):
        found = read_predictions(table(text), (f"truth={column}",))
        assert found.notes == () and found.predictions.correct.tolist() == right
