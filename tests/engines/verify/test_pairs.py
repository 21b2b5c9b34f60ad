"""`dlcli verify` of trainings and evaluations of scorers of pairs: honest records hold, and changed ones are refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.core.pairs.synthetic_pairs import synthetic_pairs, write
from tests.engines.verify.test_verify import checked, do, edit, relocated

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pairs")
    table = write(synthetic_pairs(300), place / "pairs.csv")
    options = {"task": "pairs", "model": "lexical", "device": "auto"}
    do("train", data=table, **options, output=place / "train", seed=3)
    do("eval", model=str(place / "train"), data=table, output=place / "eval", device="auto")
    return place


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    for name in ("train", "eval"):
        edit(copy / name, lambda content: relocated(content, str(made), str(copy)), resealed=True)
    return copy


@pytest.mark.parametrize("name", ["train", "eval"])
def test_an_honest_record_holds_and_its_figures_are_computed_again(runs: Path, name: str):
    result = checked(runs / name)
    assert not result.refused and result.repeated.startswith("all pairs were scored again")
    said = {one.what: one.found for one in result.checks}
    assert said["figures"] == "8 computed again" and "number of pairs" in said
    if name == "eval":
        assert said["figures on new texts"] == "7 computed again" and "rows of the mistakes" in said


def _metric(result: dict[str, Any]) -> None:
    result["metrics"][4]["estimate"]["value"] -= 0.01


def _interval(result: dict[str, Any]) -> None:
    result["metrics"][0]["estimate"]["low"] += 0.01


def _missing(result: dict[str, Any]) -> None:
    del result["metrics"][1]


def _counts(result: dict[str, Any]) -> None:
    result["operating"][40]["true_positive"] += 1


def _share(result: dict[str, Any]) -> None:
    result["duplicates"] += 0.01


def _weights(result: dict[str, Any]) -> None:
    name = "weights_sha256" if "weights_sha256" in result else "model_sha256"
    result[name] = "0" * 64


def _number(result: dict[str, Any]) -> None:
    name = "n_test" if "n_test" in result else "n_pairs"
    result[name] += 1


CHANGES = (_metric, _interval, _missing, _counts, _share, _weights, _number)


@pytest.mark.parametrize("name", ["train", "eval"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_record_is_refused_though_its_hashes_are_computed_again(runs: Path, change: Change, name: str):
    edit(runs / name, lambda content: change(content["result"]), resealed=True)
    assert checked(runs / name).refused


def _known(result: dict[str, Any]) -> None:
    result["seen"]["sharing"] = 0


def _no_leak(result: dict[str, Any]) -> None:
    result["seen"] = None


def _others(result: dict[str, Any]) -> None:
    result["seen"]["others"][0]["estimate"]["value"] += 0.01


def _gain(result: dict[str, Any]) -> None:
    result["seen"]["gain"]["low"] -= 0.01


@pytest.mark.parametrize("change", [_known, _no_leak, _others, _gain])
def test_what_the_scorer_knew_cannot_be_hidden(runs: Path, change: Change):
    edit(runs / "eval", lambda content: change(content["result"]), resealed=True)
    assert checked(runs / "eval").refused


def test_a_removed_mistake_is_refused(runs: Path):
    path = runs / "eval" / "mistakes.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]))
    edit(runs / "eval", lambda content: None, resealed=True)
    assert len(lines) > 2 and "rows of the mistakes" in {one.what for one in checked(runs / "eval").refused}


def test_labels_that_were_changed_with_all_hashes_are_refused(runs: Path):
    table = runs / "pairs.csv"
    lines = table.read_text().splitlines(keepends=True)
    flipped = [line[:-2] + ("0\n" if line[-2] == "1" else "1\n") for line in lines[1:31]]
    table.write_text("".join([lines[0], *flipped, *lines[31:]]))
    edit(runs / "eval", lambda content: None, resealed=True)
    assert checked(runs / "eval").refused
    assert json.loads((runs / "eval" / "run.json").read_text())["inputs"]
