"""Names of the figures of classes, and the accuracy and further figures of one class."""

from dataclasses import dataclass

from dlcli.specs.estimates import Estimate

WORST_CLASS_NOTE = "The worst class is selected"
ECE_NOTE = "ECE is corrected for what chance adds to it."
"""How notes begin that belong below the figures that they are about, and nowhere else."""
OVERALL = {
    "balanced-accuracy": "balanced accuracy",
    "macro-precision": "macro precision",
    "macro-f1": "macro F1",
    "mcc": "MCC",
    "ap": "AP",
    "macro-auc": "macro AUC",
    "macro-ap": "macro AP",
}
"""Figures of all classes together, and their names in texts; AP is that of the positive one of two classes."""
OF_A_CLASS = ("precision", "recall", "f1", "auc", "ap")
"""Figures of each class, which a bound names as `f1:CLASS`."""


def of_a_class(metric: str) -> str:
    """The class that a metric such as `f1:cat` names; empty if it names none."""
    figure, _, name = metric.partition(":")
    return name if figure in OF_A_CLASS else ""


@dataclass(frozen=True, kw_only=True)
class ClassAccuracy:
    """The figures of one class, and the class that it is most often predicted as.

    Attributes:
        name: Name of the class.
        accuracy: Its accuracy, which is its recall; None if it has no examples.
        most_confused_with: The output that is predicted most often in its place; empty if none is.
        precision: Of what is predicted as this class; None if nothing is.
        f1: The harmonic mean of precision and recall; None if it has neither examples nor predictions.
        auc: The area under the ROC curve against all other classes; None without probabilities.
        ap: The average precision against all others; None without probabilities.
    """

    name: str
    accuracy: Estimate | None
    most_confused_with: str = ""
    precision: Estimate | None = None
    f1: Estimate | None = None
    auc: Estimate | None = None
    ap: Estimate | None = None

    def figure(self, name: str) -> Estimate | None:
        """A figure by its name in `OF_A_CLASS`."""
        found: Estimate | None = getattr(self, "accuracy" if name == "recall" else name)
        return found
