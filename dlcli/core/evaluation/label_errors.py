"""Suspected label errors by confident learning (Northcutt, Jiang and Chuang 2021, JAIR 70, arXiv 1911.00068).

A class counts for an example only where its probability reaches what the examples with that label have on average, so that
classes that a network is less sure of are not suspected more often.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class LabelErrors(NamedTuple):
    """Suspected labels, the most suspicious first.

    Attributes:
        indices: Of the suspected examples, (m,).
        suggested: The class that they are suspected to be of, (m,).
        score: The normalised margin of each, (m,) in [-1, 1]: the probability of the given label less the highest of the
            others. The lower, the more suspicious.
        estimated: The estimated number of wrong labels in the whole set, by the calibrated joint of given and true labels.
        right: How many of the suspects are expected to be right after all, by the same joint and the probabilities.
    """

    indices: Labels
    suggested: Labels
    score: Floats
    estimated: float
    right: float


def label_errors(p: Floats, y: NDArray[np.integer]) -> LabelErrors:
    """Find labels that are probably wrong.

    Args:
        p: Probabilities (n, k) that were predicted for the examples, by a network that was not trained on them.
        y: The given labels, (n,), in 0 to k - 1.

    Returns:
        The suspects, and what to compare their number with.
    """
    given = y.astype(np.int64)
    found = _confident(p, given)
    margin = margins(p, given)
    # A class may reach its threshold and still be less probable than the label, which is then no reason to doubt that.
    suspected = np.flatnonzero((found != given) & (found >= 0) & (margin < 0))
    order = suspected[np.argsort(margin[suspected], kind="stable")]
    joint = _joint(found, given, p.shape[1])
    right = _right(p[order], given[order], joint)
    return LabelErrors(order, found[order], margin[order], float(joint.sum() - np.trace(joint)), float(right.sum()))


def margins(p: Floats, y: Labels) -> Floats:
    """The probability of the label less the highest of the other classes, (n,) (section 3.3.2 of the paper)."""
    rows = np.arange(len(y))
    others = p.copy()
    others[rows, y] = -np.inf
    found: Floats = p[rows, y] - others.max(1)
    return found


def thresholds(p: Floats, y: Labels) -> Floats:
    """The mean probability of each class among the examples with that label, (k,) (equation 2); infinite without one."""
    sums = np.bincount(y, p[np.arange(len(y)), y], minlength=p.shape[1])
    counts = np.bincount(y, minlength=p.shape[1])
    found: Floats = np.divide(sums, counts, out=np.full(p.shape[1], np.inf), where=counts > 0)
    return found


def _confident(p: Floats, y: Labels) -> Labels:
    """The most probable of the classes that reach their threshold, (n,); -1 where none does (equation 1)."""
    above = p >= thresholds(p, y) - 1e-12
    found = np.where(above, p, -np.inf).argmax(1)
    return np.where(above.any(1), found, -1).astype(np.int64)


def _joint(found: Labels, y: Labels, k: int) -> Floats:
    """The estimated counts by given and true label (k, k), whose rows are calibrated to the counts of labels (equation 3)."""
    there = found >= 0
    counted = np.bincount(y[there] * k + found[there], minlength=k * k).reshape(k, k).astype(np.float64)
    rows = counted.sum(1, keepdims=True)
    alone = np.where(rows > 0, counted, np.eye(k))
    counts = np.bincount(y, minlength=k).astype(np.float64)
    joint: Floats = alone / alone.sum(1, keepdims=True) * counts[:, None]
    return joint


def _right(p: Floats, y: Labels, joint: Floats) -> Floats:
    """The probability that each label is right, (n,): by Bayes' rule, from how often each true class is labelled as each.

    The network has learned the given labels, whose probabilities are those of the true ones times that matrix.
    """
    columns = joint.sum(0)
    given_of_true = np.where(columns > 0, joint / np.where(columns > 0, columns, 1), np.eye(len(joint)))
    true = np.clip(np.linalg.lstsq(given_of_true, p.T, rcond=None)[0].T, 0, None)
    both = true * given_of_true[y]
    total = both.sum(1)
    found: Floats = np.divide(both[np.arange(len(y)), y], total, out=np.ones(len(y)), where=total > 0)
    return found
