"""What programs call columns of probabilities, in any case and notation: read where it is plain, and told where it is not."""

import numpy as np
import pytest

from dlcli.core.evaluation.prediction_files import PredictionTable, read_predictions
from dlcli.support.errors import InputError
from dlcli.support.read_tables import parse_table

NUMBERED = [
    "p{}",
    "prob{}",
    "proba{}",
    "y_prob_{}",
    "y_score_{}",
    "proba_class_{}",
    "class_{}_prob",
    "P(y={})",
    "Prob(class={})",
]
NUMBERED += ["y_pred_proba_{}", "prob_class_{}", "pred_probability[{}]", "probability class {}", "y_{}_score", "pred_prob.{}"]
WORDS = [style for style in NUMBERED if not style.endswith(("b{}", "a{}", "p{}"))]


def made(classes: int, n: int = 50):
    random = np.random.default_rng(classes)
    p = random.dirichlet(np.ones(classes), n).round(6)
    return random.integers(classes, size=n), p


def read(y, label, columns, p, *, decimals: int = 6) -> PredictionTable:
    """A table of these columns of probabilities, without predicted labels if `label` is None."""
    head = ["y_true", *([] if label is None else ["y_pred"]), *columns]
    rows = [[one, *([] if label is None else [label[k]]), *(f"{v:.{decimals}f}" for v in p[k])] for k, one in enumerate(y)]
    return read_predictions(parse_table("given.csv", "\n".join(",".join(map(str, row)) for row in [head, *rows]).encode()))


@pytest.mark.parametrize("style", NUMBERED)
@pytest.mark.parametrize("classes", [2, 3, 11])
@pytest.mark.parametrize("labelled", [True, False])
def test_columns_with_several_words_or_none_between_are_read(style, classes, labelled):
    y, p = made(classes)
    found = read(y, p.argmax(1) if labelled else None, [style.format(k) for k in range(classes)], p).predictions
    assert found.outputs == tuple(map(str, range(classes))) and found.y.tolist() == y.tolist()
    assert np.exp(found.log_p) == pytest.approx(p, abs=1e-5)


@pytest.mark.parametrize("style", [*WORDS, "p_{}", "{}_prob", "P({})", "{}"])
@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["False", "True"], ["false", "true"]),
        (["benign", "malignant", "none"], ["Benign", "Malignant", "None"]),
        (["NO", "YES"], ["no", "Yes"]),
        (["0", "1", "2"], ["0.0", "1.0", "2.0"]),
    ],
)
def test_case_and_points_of_columns_are_no_matter(style, labels, names):
    y, p = made(len(labels))
    found = read([labels[k] for k in y], None, [style.format(name) for name in names], p).predictions
    at = [found.outputs.index(one) for one in labels]
    assert np.exp(found.log_p[:, at]) == pytest.approx(p, abs=1e-5) and [found.outputs[k] for k in found.y] == [
        labels[k] for k in y
    ]


def test_a_class_that_no_row_has_is_read_too():
    y, p = made(3)
    found = read(y % 2, None, ["p_0.0", "p_1.0", "p_2.0"], p).predictions
    assert found.outputs == ("0", "1", "2") and np.exp(found.log_p) == pytest.approx(p, abs=1e-5)


@pytest.mark.parametrize("column", ["p_true", "TRUE_prob"])
def test_one_column_in_another_case_is_enough(column):
    y, p = made(2)
    found = read([str(one == 1) for one in y], None, [column], p[:, 1:]).predictions
    assert found.outputs == ("False", "True") and np.exp(found.log_p[:, 1]) == pytest.approx(p[:, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "columns"),
    [
        (["cat", "Cat"], ["p_CAT", "p_cAt"]),
        (["a", "b"], ["p_A", "p_a"]),
        (["1", "2"], ["p0", "p1"]),
        (["0", "1"], ["prob1", "prob2"]),
        (["cat", "dog"], ["y_prob_0", "y_prob_1"]),
        (["0", "1"], ["y_score_yes", "y_score_no"]),
    ],
)
def test_columns_that_are_called_otherwise_are_told(labels, columns):
    y, p = made(2)
    truth = [labels[k] for k in y]
    with pytest.raises(InputError, match="look like probabilities, but are not called like|only .* is called like a label"):
        read(truth, None, columns, p)


@pytest.mark.parametrize("style", NUMBERED)
def test_numbers_that_do_not_sum_to_1_are_no_probabilities(style):
    y, p = made(3)
    found = read(y, y, [style.format(k) for k in range(3)], p / 2)
    assert found.predictions.log_p is None and len(found.metadata) == 3


@pytest.mark.parametrize("style", ["votes_{}", "share{}", "{}_area", "prior({})", "x{}"])
def test_other_shares_are_no_probabilities(style):
    y, p = made(3)
    found = read(y, y, [style.format(k) for k in range(3)], p)
    assert found.predictions.log_p is None and len(found.metadata) == 3
