"""Declared metadata: what fits is accepted, and any other JSON is refused in words that name the place."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.model_io import converted, ensemble_dir, run_dir, score_metadata
from dlcli.core.pairs import saved
from dlcli.core.tasks import image_task
from dlcli.core.text import index_checks
from dlcli.engines.attack import resume
from dlcli.engines.train import finished, fitting
from dlcli.support.schema import first_fault, list_of, number, one_of, optional, record, sha256, text, whole

HASH = "0" * 64
NETWORK = {"model": "resnet18", "surgery": [], "channels": 3, "size": [8, 8], "outputs": 10, "classes": None}
EPOCH = {"train_loss": 1.0, "train_accuracy": 0.5, "accuracy": float("nan"), "loss": float("inf")}
SCORE_EPOCH = {"train_loss": 1.0, "train_spearman": -0.5, "spearman": 0.5, "loss": 2.0}
IMAGES, SCORES = image_task("images"), image_task("score")
CARDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "run": (
        run_dir._NEEDED,
        {"model": "lenet", "with": [], "channels": 1, "size": [8, 8], "classes": ["a"], "weights_sha256": HASH},
    ),
    "ensemble": (ensemble_dir._NEEDED, {"rule": "max", "members": ["members/000"]}),
    "converted": (
        converted._NEEDED,
        {
            "network": NETWORK,
            "rule": "besnet",
            "taps": {"conv": 3},
            "head": "",
            "ends": "zeros",
            "dilations": [1],
            "weights_sha256": HASH,
        },
    ),
    "pairs": (
        saved._NEEDED,
        {
            "scorer": "lexical",
            "model": {},
            "slope": 1.0,
            "intercept": 0.0,
            "features": [],
            "held_out": {},
            "weights_sha256": HASH,
        },
    ),
    "state": (fitting._state_schema(IMAGES), {"determined_by": {}, "history": [EPOCH], "seconds": 1.5, "early": [0, None, 0]}),
    "state of scores": (
        fitting._state_schema(SCORES),
        {"determined_by": {}, "history": [SCORE_EPOCH], "seconds": 1.5, "early": [2, 0.5, 1]},
    ),
    "finished": (finished._schema(IMAGES), {"determined_by": {}, "history": [EPOCH], "best_epoch": 1}),
    "finished scores": (finished._schema(SCORES), {"determined_by": {}, "history": [SCORE_EPOCH], "best_epoch": 1}),
    "scores": (
        score_metadata._NEEDED,
        {
            "objective": {"loss": "mse", "mean": 3.0, "deviation": 1.0},
            "mean": 3.0,
            "median": 3.0,
            "residual": None,
            "n_residual": 18,
            "column": None,
            "raters": ["rater_1"],
        },
    ),
    "part": (resume._FACTS, {"determined_by": {}, "queries": 1.0, "seconds": 0.5}),
    "index": (
        index_checks._CARD,
        {
            "settings": {"vectors": "hashed", "threshold": 0.5},
            "tables": [["a.csv", HASH]],
            "log": [{"event": "merged"}],
        },
    ),
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("card", CARDS)
def test_what_dlcli_writes_fits(card: str):
    needed, found = CARDS[card]
    assert set(found) == set(needed) and first_fault(found, needed) == ""
    assert first_fault(json.loads(json.dumps(found)), needed) == ""


@pytest.mark.parametrize("card", CARDS)
def test_each_missing_entry_is_named(card: str):
    needed, found = CARDS[card]
    for name in found:
        assert first_fault({key: value for key, value in found.items() if key != name}, needed) == f"{name} is missing"


@pytest.mark.parametrize("card", CARDS)
@given(data=st.data())
def test_any_other_value_is_accepted_or_named_and_never_an_exception(card: str, data: st.DataObject):
    needed, found = CARDS[card]
    name = data.draw(st.sampled_from(sorted(found)))
    changed = copy.deepcopy(found) | {name: data.draw(JSON)}
    fault = first_fault(changed, needed)
    assert fault == "" or fault.startswith(f"{name} must be ")


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (whole(1, 9), [1, 9], [0, 10, 1.0, True, "1", None, 10**400]),
        (number(0, 1), [0, 1, 0.5], [-0.1, 2, float("nan"), float("inf"), "0", True, 10**400]),
        (number(), [-5, 1e300], [float("inf"), -float("inf"), float("nan")]),
        (text(3), ["", "abc"], ["abcd", 1, None, "\ud800"]),
        (sha256(), [HASH], ["0" * 63, "G" * 64, "0" * 64 + "\n", 0]),
        (one_of("a", "b"), ["a"], ["c", ["a"], {"a": 1}, None]),
        (optional(whole(0, 1)), [None, 1], [2, "x"]),
        (list_of(whole(0, 1), least=1, most=2), [[0], [1, 1]], [[], [0, 0, 0], [2], (0,), {}, "01"]),
        (
            record({"a": whole(0, 1)}, {"b": text()}),
            [{"a": 1}, {"a": 0, "b": "x", "c": []}],
            [{}, {"a": 2}, {"a": 1, "b": 2}, []],
        ),
        (record({"a": whole(0, 1)}, closed=True), [{"a": 1}], [{"a": 1, "b": 1}]),
    ],
)
def test_each_check(check: Any, right: list[Any], wrong: list[Any]):
    assert all(check(value) == "" for value in right)
    assert all(check(value) for value in wrong)
