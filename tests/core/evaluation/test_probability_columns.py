"""Which columns of probabilities are used, and what they hold to the digit."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dlcli.core.evaluation.prediction_files import read_predictions
from dlcli.support.errors import InputError
from tests.core.evaluation.test_prediction_files import table


@pytest.mark.parametrize("style", ["{}", "class_{}", "p_{}", "pred_{}"])
@pytest.mark.parametrize("classes", [2, 3])
def test_indicators_of_the_true_class_are_no_probabilities(style: str, classes: int):
    """As `get_dummies` makes them; those of a tree that is always sure are read."""
    names = ["cat", "dog", "hen"][:classes]
    truth = [names[k % classes] for k in range(12)]
    answers = [names[(k + (k % 5 == 0)) % classes] for k in range(12)]

    def text(hot: list[str], label: list[str] | None) -> str:
        rows = [
            [true, *([label[k]] if label else []), *(str(int(hot[k] == name)) for name in names)]
            for k, true in enumerate(truth)
        ]
        head = ["y_true", *(["y_pred"] if label else []), *map(style.format, names)]
        return "\n".join(map(",".join, [head, *rows])) + "\n"

    for hot, label in ((truth, None), (truth, answers)):
        with pytest.raises(InputError, match=r"the true class is 1|a class is 1 that is not the predicted label"):
            read_predictions(table(text(hot, label)))
    named = read_predictions(table(text(truth, None)), (f"classes={style.partition('{')[0]}",)) if style != "{}" else None
    assert named is None or named.predictions.correct.all()
    for label in (None, answers):
        found = read_predictions(table(text(answers, label))).predictions
        assert found.correct.tolist() == [a == b for a, b in zip(truth, answers, strict=True)]


@pytest.mark.parametrize("digits", [1, 2])
def test_equal_probabilities_stay_equal(digits: int):
    """Sums of decimals such as 0.6, 0.3 and 0.1 are a little less than 1: dividing by them breaks ties."""
    random = np.random.default_rng(digits)
    tens = 10**digits
    p = [random.multinomial(tens, row) for row in random.dirichlet(np.ones(3), 60)]
    y = random.integers(3, size=60)
    rows = "".join(f"{true},{','.join(str(one / tens) for one in row)}\n" for true, row in zip(y, p, strict=True))
    found = read_predictions(table("y_true,prob_0,prob_1,prob_2\n" + rows)).predictions
    assert found.log_p is not None
    for k in range(3):
        exact = roc_auc_score(y == k, [int(row[k]) for row in p])
        assert roc_auc_score(y == k, np.exp(found.log_p[:, k])) == pytest.approx(exact, abs=1e-12)


def test_a_second_set_of_probabilities_is_named():
    rows = "cat,cat,.6,.4,.9,.1\ndog,dog,.4,.6,.2,.8\ndog,cat,.6,.4,.7,.3\n"
    found = read_predictions(table("y_true,y_pred,p_cat,p_dog,prob_cat,prob_dog\n" + rows))
    assert any(note.startswith("Not used: the columns prob_cat, prob_dog, which sum to 1 too") for note in found.notes)
    one = read_predictions(table("y_true,y_pred,p_cat,p_dog\n" + "cat,cat,.6,.4\ndog,dog,.4,.6\n"))
    assert not any("Not used" in note for note in one.notes)
