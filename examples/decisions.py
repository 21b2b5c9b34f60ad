"""Run the examples of docs/decisions.md again: each `console` block, in one folder, with the tables that other programs wrote.

    python examples/decisions.py

`scikit-learn.csv` are predictions of logistic regression on the digits, trained on the images that dlcli trains on;
`halves.npz` are the digits with half of the test images as a dev set.
"""

import csv
import re
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.linear_model import LogisticRegression

from dlcli.core.data import open_data
from dlcli.core.evaluation.class_metrics import class_metrics
from dlcli.core.evaluation.curve_plots import curves_plot, drawn_classes
from dlcli.core.evaluation.prediction_files import read_predictions
from dlcli.core.text.table_input import open_table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "decisions.md"
_BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", flags=re.MULTILINE | re.DOTALL)


def main() -> None:
    """Write the page with the output of every command."""
    sys.path.insert(0, str(ROOT / "docs"))
    from generate import transcript

    with tempfile.TemporaryDirectory() as name:
        write_predictions(Path(name) / "scikit-learn.csv")
        write_halves(Path(name) / "halves.npz")
        text = _BLOCK.sub(lambda found: transcript(found[1], Path(name)), PAGE.read_text(encoding="utf-8"))
        draw_curves(Path(name) / "out" / "predictions.csv", PAGE.with_name("decisions-curves.svg"))
    PAGE.write_text(text, encoding="utf-8")


def draw_curves(predictions: Path, picture: Path) -> None:
    """The curves of the classes with the lowest average precision, as the page of `eval -o` shows them."""
    found = read_predictions(open_table(str(predictions))).predictions
    classes = range(len(found.outputs))
    figures = class_metrics(found.y, found.predicted, classes, log_p=found.log_p).classes
    drawn = drawn_classes([None if one.ap is None else one.ap.value for one in figures])
    figure = curves_plot(found.log_p, found.y, drawn, [found.outputs[k] for k in drawn])
    with mpl.rc_context({"svg.hashsalt": "dlcli"}):
        figure.savefig(picture, format="svg", metadata={"Date": None})


def write_halves(path: Path) -> None:
    """The digits with half of the test images as a dev set."""
    data = open_data("digits")
    x, y, names = data.x_test.squeeze(1).numpy(), data.y_test.numpy(), np.array(data.classes)
    arrays = {"x_train": data.x_train.squeeze(1).numpy(), "y_train": names[data.y_train.numpy()]}
    np.savez(path, **arrays, x_dev=x[::2], y_dev=names[y[::2]], x_test=x[1::2], y_test=names[y[1::2]])


def write_predictions(path: Path) -> None:
    """The predictions of logistic regression, under names that scikit-learn's users give."""
    data = open_data("digits")
    x_train, x_test = (x.flatten(1).numpy() for x in (data.x_train, data.x_test))
    model = LogisticRegression(max_iter=2000).fit(x_train, data.y_train.numpy())
    p = model.predict_proba(x_test)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["y_true", "y_pred", *(f"prob_{k}" for k in model.classes_)])
        rows = zip(
            data.y_test.tolist(), model.classes_[p.argmax(1)].tolist(), np.round(p.astype(np.float64), 6).tolist(), strict=True
        )
        writer.writerows([true, predicted, *probabilities] for true, predicted, probabilities in rows)


if __name__ == "__main__":
    main()
