"""Which columns of a table of predictions hold the true and the predicted labels, found by their names."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import FILE_COLUMNS, known_columns, plain_name
from dlcli.support.errors import InputError
from dlcli.support.suggest import did_you_mean
from dlcli.support.tables import Table

_KINDS = "label labels class category y value idx name".split()


def _joined(words: str) -> tuple[str, ...]:
    """The names that words make with those of labels, as true_label and label_true."""
    return tuple(name for word in words.split() for kind in _KINDS for name in (word + kind, kind + word))


CERTAIN = (*"truth true ytrue truelabel trueclass groundtruth gt".split(), *_joined("true gt groundtruth gold actual ytrue"))
"""Names of the column of true labels that mean nothing else, as `plain_name` gives them, most telling first."""
TRUTH = (*CERTAIN, *"actual actuals gold target targets reference y".split())
"""Its names: a target may be that of an attack, and y a coordinate."""
PREDICTED = (
    *"predicted prediction pred".split(),
    *_joined("predicted prediction pred ypred"),
    *"ypredbinary ytestpred yhat top1 predict scoredlabels".split(),
)
"""Those of the column of predicted labels, but for `LABEL`, which some tables call the true ones."""
LABEL = ("label", "class", "labels", "classname")
ALSO_TRUTH = (*"ytest expected obs observed".split(), *_joined("target reference expected"))
ALSO_PREDICTED = tuple("preds predictions output outputs outputlabel outputclass modeloutput modelprediction argmax".split())
"""What these are called in tables that would have none otherwise."""
ALSO_SURE = tuple("proba ypredproba ypredprob predproba predprob predictedprob predictedprobability predictedproba".split())
"""What the probability of the second of two classes is called as well, where there are no predicted labels."""
SURE = tuple(
    "probability confidence conf prob yprob yproba yscore probabilities scoredprobabilities scoredprobability score p".split()
)
"""Those of the probability of the predicted label, or of the second of two classes."""
CONFIDENCE = ("confidence", "conf")
"""Those of them that mean that of the predicted label."""
_OF_COLUMN = re.compile(r"prediction\s*\((.+)\)", re.IGNORECASE)
"""The column of predicted labels as KNIME and RapidMiner call it, with that of the true ones."""
_OF_KIND = re.compile(r"(?:predicted|prediction|y?pred)(.+)")
"""Its plain name with that of what is predicted."""

Texts = NDArray[np.object_]


@dataclass(frozen=True)
class Roles:
    """The columns by what they hold; None where there is none.

    `rivals`: by role, truth or label, the other columns whose names fit it as well.
    `sures`: the columns whose names fit `sure`, most telling first, if the user names none.
    """

    truth: str
    label: str | None
    sure: str | None
    file: str | None
    rivals: Mapping[str, tuple[str, ...]]
    sures: tuple[str, ...] = ()

    @property
    def only_label(self) -> bool:
        """Whether the true labels are in a column `label`, and predicted ones in none: either may be meant."""
        return self.label is None and plain_name(self.truth) in LABEL

    @property
    def called_label(self) -> bool:
        """Whether the predicted labels are in a column `label`, which the user does not name: it may hold others."""
        return self.label is not None and "label" in self.rivals and plain_name(self.label) in LABEL


def named_columns(table: Table, named: Sequence[str]) -> dict[str, str]:
    """The columns that the user names, by role.

    Args:
        table: The table.
        named: Each as ROLE=NAME.

    Raises:
        InputError: If the table has no such column.
    """
    given = dict(one.split("=", 1) for one in named)
    for role, name in given.items():
        if role != "classes" and name not in table.columns:
            hint = did_you_mean(name, table.columns)
            raise InputError(f"{table.name}: has no column '{name}' (`columns`: {role})", hint=hint)
    return given


def find_roles(table: Table, given: Mapping[str, str], of_classes: Collection[str] = ()) -> Roles:
    """The columns by what they hold: as the user names them, or else the most telling names.

    Args:
        table: The table.
        given: What `named_columns` returns.
        of_classes: Columns of probabilities of classes, whatever their names: `p_red` is not `pred`.

    Raises:
        InputError: If there is no column of true labels.
    """
    free = [name for name in table.columns if name not in of_classes]
    left = [name for name in free if name not in given.values()]

    def first(role: str, known: Sequence[str]) -> str | None:
        return given.get(role) or next(iter(known_columns(left, known)), None)

    truth, label = first("truth", TRUTH), first("label", PREDICTED)
    if label is None:
        truth, label = _named_by_prediction(left, truth, free="truth" not in given)
    other = next(iter(known_columns(left, LABEL)), None)
    if label is None and (truth is None or other is None or plain_name(truth) not in CERTAIN):
        label = first("label", ALSO_PREDICTED)
    if label is None:
        label = other
    elif truth is None:
        truth = other
    truth = truth or first("truth", ALSO_TRUTH)
    if truth is None and label is not None and label == other and "label" not in given:
        truth, label = other, None
    if truth is None:
        there = ", ".join(table.columns[:12])
        hint = f"name it by `columns` as truth=NAME; there are: {there}"
        raise InputError(f"{table.name}: has no column of true labels (truth, y_true, target ...)", hint=hint)
    file = given.get("file") or next((name for name in known_columns(free, FILE_COLUMNS) if name not in (truth, label)), None)
    sure = given.get("probability")
    rivals = {
        role: tuple(name for name in _alike(left, role, label) if name not in (truth, label))
        for role, taken in (("truth", truth), ("label", label))
        if role not in given and taken is not None
    }
    sures = tuple(name for name in known_columns(free, (*SURE, *ALSO_SURE)) if name not in (truth, label))
    return Roles(truth, label, sure, file, rivals, () if sure else sures)


def _named_by_prediction(columns: Sequence[str], truth: str | None, *, free: bool) -> tuple[str | None, str | None]:
    """The columns of true and predicted labels by the name of the latter, as `prediction(Species)` or `predicted_species`.

    Args:
        columns: Those that may hold them.
        truth: The column that is called like true labels.
        free: Whether another one may be taken.
    """
    if found := next(filter(None, (_OF_COLUMN.fullmatch(name.strip()) for name in columns)), None):
        return found[1] if free and found[1] in columns else truth, found[0]
    plain = {plain_name(name): name for name in columns}
    words = [(of, name) for name in columns if (match := _OF_KIND.fullmatch(plain_name(name))) and (of := match[1])]
    twins = [(plain[true], name) for of, name in words for true in (of, f"true{of}", f"actual{of}") if true in plain]
    return twins[0] if free and truth is None and len(twins) == 1 else (truth, None)


def unnamed_probability(roles: Roles, columns: Collection[str]) -> list[str]:
    """That a column beside predicted labels may be their probability, and how to name it, as notes.

    Args:
        roles: The columns that were taken, none of them a probability.
        columns: Those that are left.
    """
    found = known_columns(list(columns), ALSO_SURE) if roles.sure is None else []
    return [f"Not used: the column '{one}'; `columns` names it, as probability={one}, if it is one." for one in found[:1]]


def _alike(columns: Sequence[str], role: str, label: str | None) -> list[str]:
    """The columns whose names fit a role, truth or label, if `label` holds the predicted labels."""
    of_either = label is not None and plain_name(label) in LABEL
    if role == "truth":
        return known_columns(columns, (*TRUTH, *(() if of_either else LABEL), *ALSO_TRUTH))
    return known_columns(columns, (*PREDICTED, *(LABEL if of_either else ()), *ALSO_PREDICTED))


def rival_notes(roles: Roles, cells: Mapping[str, Texts], truth: Texts, label: Texts | None) -> list[str]:
    """Which column of true labels was taken where another one is called alike, has such labels too, and not the same ones.

    Args:
        roles: The columns that were taken.
        cells: All columns, (n,) each.
        truth: The true labels, (n,).
        label: The predicted ones, (n,); None without such a column.
    """
    names = (roles.truth, *roles.rivals.get("truth", ()))
    columns = {name: np.array([text.strip().removesuffix(".0") for text in cells[name]], dtype=object) for name in names}
    found = rival_columns({**columns, roles.truth: truth}, roles.truth, label)
    said = " or ".join(f"'{name}'" for name in found)
    return (
        [f"The true labels are those of '{roles.truth}', not of {said}; `columns` names another, as truth=NAME."]
        if found
        else []
    )


def rival_columns(columns: Mapping[str, Texts], taken: str, other: Texts | None) -> list[str]:
    """The columns that may hold what one does: such labels, but not the same, nor those of the other role.

    What is called like predicted labels counts even where it equals the other ones: all of these may be right.

    Args:
        columns: That one and others that are called like it, (n,) each.
        taken: The name of that one.
        other: The labels of the other role, (n,), if there are some.
    """
    found = []
    for name, column in columns.items():
        is_other = other is not None and plain_name(name) not in PREDICTED and bool((column == other).all())
        same = name == taken or bool((column == columns[taken]).all()) or is_other
        if not same and not {*columns[taken]}.isdisjoint(column):
            found.append(name)
    return found
