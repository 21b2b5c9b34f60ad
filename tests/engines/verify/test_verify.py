"""`dlcli verify`: honest records hold, and whatever is changed in them or beside them is refused.

A change is tried twice: as it is, and by someone who also computes all hashes of the record again.
"""

import csv
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dlcli.cli.command import Command
from dlcli.cli.execute import record
from dlcli.core.grouped import share_of
from dlcli.engines import eval as eval_engine
from dlcli.engines import verify
from dlcli.engines.verify.claims import a_tenth, repeated_labels, sampled_share
from dlcli.specs.eval import EvalConfig
from dlcli.specs.verify import Verdict, VerifyConfig, VerifyResult
from dlcli.support.errors import InputError
from dlcli.support.fingerprints import SEAL, file_sha256, path_sha256, seal
from dlcli.support.record import Start
from tests.conftest import ROOT

RUNS = ("train", "eval", "gate", "stopped", "attack", "corruptions", "compared", "methods", "table")


def do(name: str, **options: Any) -> Path:
    """Run a command with an output folder and write its record, as the command line does."""
    command: Command = import_module(f"dlcli.cli.commands.{name}").COMMAND
    config = command.config(**{"device": "cpu", **options})
    started = Start(datetime.now(UTC), time.monotonic())
    result = import_module(command.engine).run(config)
    record(command, config, result, started, int(bool(result.failed)))
    return Path(options["output"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and with runs of three commands on them."""
    place = tmp_path_factory.mktemp("made")
    drawn = np.random.default_rng(0)
    y = np.arange(320) % 4
    x = np.clip(drawn.normal(0.3, 0.15, (320, 1, 8, 8)) + 0.4 * (np.arange(8) // 2 == y[:, None, None])[:, None], 0, 1)
    x[200:207] = x[:7]  # near duplicates
    y[240:246] = (y[240:246] + 1) % 4  # wrong labels
    np.savez(place / "data.npz", x_train=x[:200].astype("f4"), y_train=y[:200], x_test=x[200:].astype("f4"), y_test=y[200:])
    data = str(place / "data.npz")
    do("train", data=data, model="mlp", epochs=3, output=place / "train")
    do("train", data=data, model="mlp", epochs=1, output=place / "old")
    model = str(place / "train")
    do("eval", model=model, data=data, output=place / "eval")
    do("eval", model=model, data=data, fail_under=("top-1", 0.999), output=place / "gate")
    gate = {"fail_under": ("top-1", 0.1), "stop_when_sure": True}
    do("eval", model=model, data=data, **gate, output=place / "stopped")
    do("attack", model=model, data=data, method="fgsm", eps="0.2", output=place / "attack")
    do("attack", model=model, data=data, method="corruptions", corruptions="fog,contrast", output=place / "corruptions")
    asked = {"slices": "class", "abstain": 0.4, "detect": 0.01, "no_worse": 0.05, "suspects": True}
    do("eval", model=model, data=data, against=f"{place}/old", **asked, output=place / "compared")
    do("attack", model=model, data=data, method="fgsm,pgd", eps="8/255,0.2", output=place / "methods")
    predictions = str(place / "eval" / "predictions.csv")
    do(
        "eval",
        model=predictions,
        against=str(place / "compared" / "predictions.csv"),
        **asked,
        output=place / "table",
        device="auto",
    )
    return place


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    """A copy in which things may be changed; the paths of the records lead into it."""
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    for name in ("old", *RUNS):
        edit(copy / name, lambda content: relocated(content, str(made), str(copy)), resealed=True)
    return copy


def relocated(content: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(content).replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1]))
    for name in found["inputs"]:
        found["inputs"][name] = path_sha256(Path(name))
    return found


def edit(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any] | None], *, resealed: bool) -> None:
    """Change a record; `resealed` computes the hashes of files and of the record again."""
    path = folder / "run.json"
    content = json.loads(path.read_text())
    content = change(content) or content
    if resealed:
        content["files"] = {name: file_sha256(folder / name) for name in content["files"] if (folder / name).is_file()}
        content["inputs"] = {name: path_sha256(Path(name)) for name in content["inputs"] if Path(name).exists()}
        content[SEAL] = seal(content)
    path.write_text(json.dumps(content))


def checked(folder: Path, **options: Any) -> VerifyResult:
    return verify.run(VerifyConfig(folder=folder, device="cpu", **options))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", RUNS)
def test_an_honest_record_holds(runs: Path, name: str, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        result = checked(runs / name)
    finally:
        torch.set_num_threads(before)
    assert not result.failed and not result.refused
    verdicts = {one.verdict for one in result.checks}
    assert verdicts <= {Verdict.SAME, Verdict.CLOSE}
    assert name == "table" or any("tenth" in one.what or one.what == "test accuracy" for one in result.checks)


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def _write(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "predictions.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def better_label(runs: Path) -> None:
    rows = _rows(runs / "eval")
    wrong = next((row for row in rows if row["label"] != row["truth"]), None)
    row = wrong or rows[0]
    row["label"] = row["truth"] if wrong else next(one["truth"] for one in rows if one["truth"] != row["truth"])
    _write(runs / "eval", rows)


def fewer_rows(runs: Path) -> None:
    _write(runs / "eval", _rows(runs / "eval")[:-1])


def surer(runs: Path) -> None:
    rows = _rows(runs / "eval")
    for row in rows:
        row["probability"] = str(min(1.0, float(row["probability"]) + 0.05) if float(row["probability"]) < 0.95 else 0.9)
    _write(runs / "eval", rows)


def other_weights(runs: Path) -> None:
    path = runs / "train" / "weights.safetensors"
    state = load_file(path)
    name = next(key for key, value in state.items() if value.is_floating_point() and value.dim() > 1)
    state[name] = state[name] * 1.01
    save_file(state, path)


def other_data(runs: Path) -> None:
    with np.load(runs / "data.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["x_test"] = 1 - arrays["x_test"]
    np.savez(runs / "data.npz", **arrays)


def fewer_data(runs: Path) -> None:
    with np.load(runs / "data.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(runs / "data.npz", **(arrays | {"x_test": arrays["x_test"][1:], "y_test": arrays["y_test"][1:]}))


def other_images(runs: Path) -> None:
    path = runs / "attack" / "adversarial.npz"
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["x_0.2"] = 1 - arrays["x_0.2"]
    np.savez_compressed(path, **arrays)


def weaker_images(runs: Path) -> None:
    """The clean images in place of the changed ones, with their labels."""
    path = runs / "attack" / "adversarial.npz"
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez_compressed(path, **(arrays | {"x_0.2": arrays["x_clean"], "predicted_0.2": arrays["predicted_clean"]}))


def fewer_corrupted(runs: Path) -> None:
    path = runs / "corruptions" / "corruptions.npz"
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["predicted"] = (arrays["predicted"] + 1) % 4
    np.savez_compressed(path, **arrays)


def arrays_of(path: Path, **changed: Callable[[dict[str, np.ndarray]], np.ndarray]) -> None:
    """Write a file of arrays again, some of them changed."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez_compressed(path, **(arrays | {name: change(arrays) for name, change in changed.items()}))


def better_labels(runs: Path) -> None:
    arrays_of(runs / "attack" / "adversarial.npz", y=lambda arrays: arrays["predicted_0.2"])


def better_when_clean(runs: Path) -> None:
    arrays_of(runs / "attack" / "adversarial.npz", predicted_clean=lambda arrays: (arrays["y"] + 1) % 4)


def fewer_images(runs: Path) -> None:
    kinds = ("x_clean", "y", "predicted_clean", "x_0.2", "predicted_0.2")
    arrays_of(runs / "attack" / "adversarial.npz", **{name: lambda arrays, name=name: arrays[name][1:] for name in kinds})


def better_at_a_severity(runs: Path) -> None:
    def change(arrays: dict[str, np.ndarray]) -> np.ndarray:
        found = arrays["predicted"].copy()
        found[0, 4] = (arrays["predicted"][0, 4] + 1) % 4
        return found

    arrays_of(runs / "corruptions" / "corruptions.npz", predicted=change)


def better_loss(runs: Path) -> None:
    rows = _rows(runs / "eval")
    rows[3]["loss"] = "0.0001"
    _write(runs / "eval", rows)


def one_image_beyond(runs: Path) -> None:
    path = runs / "attack" / "adversarial.npz"
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["x_0.2"][7] = np.where(arrays["x_clean"][7] > 0.5, 0, 1)
    np.savez_compressed(path, **arrays)


def removed_file(runs: Path) -> None:
    (runs / "eval" / "predictions.csv").unlink()


def at(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    """Set an entry of a record."""

    def change(content: dict[str, Any]) -> None:
        place: Any = content
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = to

    return change


def before(place: str, **entry: Any) -> Callable[[dict[str, Any]], None]:
    """Put a changed copy of the first entry of a list in front of it."""

    def change(content: dict[str, Any]) -> None:
        rows = content["result"][place]
        rows.insert(0, {**json.loads(json.dumps(rows[0])), **entry})

    return change


def without(place: str, number: int) -> Callable[[dict[str, Any]], None]:
    """Take an entry out of a list."""
    return lambda content: content["result"][place].pop(number) and None


def other_gate(content: dict[str, Any]) -> None:
    content["result"]["failed"] = "" if content["result"]["failed"] else "top-1 is too low"


def failed_attack(content: dict[str, Any]) -> None:
    content["result"]["failed"], content["status"] = "robust accuracy is too low", 1


def fewer_flips(runs: Path) -> None:
    path = runs / "compared" / "flips.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))


NO_LEAKS = {"n": 120, "count": 0, "without": {"value": 0.999, "low": 0.99, "high": 1.0, "n": 120}, "gain": None, "pairs": []}
BESIDE = {
    "flips": ("compared", fewer_flips),
    "label": ("eval", better_label),
    "row removed": ("eval", fewer_rows),
    "probabilities": ("eval", surer),
    "weights": ("eval", other_weights),
    "weights of the run": ("train", other_weights),
    "data": ("eval", other_data),
    "data removed": ("eval", fewer_data),
    "data of the training": ("train", other_data),
    "images": ("attack", other_images),
    "weaker images": ("attack", weaker_images),
    "corrupted": ("corruptions", fewer_corrupted),
    "loss of a row": ("eval", better_loss),
    "an image beyond eps": ("attack", one_image_beyond),
    "labels of attacked images": ("attack", better_labels),
    "predictions of clean images": ("attack", better_when_clean),
    "attacked images removed": ("attack", fewer_images),
    "predictions at a severity": ("corruptions", better_at_a_severity),
}
INSIDE = {
    "accuracy": ("eval", at("result", "metrics", 0, "estimate", "value", to=0.999)),
    "number of images": ("eval", at("result", "n_images", to=5000)),
    "robust accuracy": ("attack", at("result", "headline", "adversarial", "value", to=0.9)),
    "clean accuracy": ("attack", at("result", "headline", "clean", "value", to=0.5)),
    "mean error": ("corruptions", at("result", "mean_error", "value", to=0.001)),
    "trained accuracy": ("train", at("result", "rows", 0, "accuracy", "value", to=0.05)),
    "hash of the network": ("eval", at("result", "model_sha256", to="0" * 64)),
    "code": ("eval", at("code", to="0" * 64)),
    "version": ("eval", at("environment", "dlcli", to="9.9.9")),
    "seed": ("corruptions", at("config", "seed", to=1)),
    "network": ("eval", at("config", "model", to="no-such-run")),
    "eps": ("attack", at("result", "eps", to=[0.01])),
    "class under attack": ("attack", at("result", "per_class", 1, "adversarial", "value", to=0.99)),
    "class when clean": ("methods", at("result", "per_class", 0, "clean", "value", to=0.01)),
    "method": ("attack", at("result", "by_method", 0, "adversarial", "value", to=0.99)),
    "method below all": ("methods", at("result", "by_method", 0, "adversarial", "value", to=-0.01)),
    "difference": ("compared", at("result", "comparison", "difference", "value", to=0.5)),
    "fixed of a class": ("compared", at("result", "comparison", "parts", 0, "fixed", to=50)),
    "old accuracy": ("table", at("result", "comparison", "old", "value", to=0.1)),
    "flip": ("table", at("result", "comparison", "p", to=0.9)),
    "slice": ("compared", at("result", "slices", 0, "accuracy", "value", to=0.01)),
    "threshold": ("compared", at("result", "abstention", "errors", "value", to=0.9)),
    "images needed": ("compared", at("result", "needed", "shares", 0, "images", to=5)),
    "suspects": ("compared", at("result", "suspects", "count", to=99)),
    "suggestion": ("table", at("result", "suspects", "suspects", 0, "suggested", to="9")),
    "accuracy without duplicates": ("eval", at("result", "leaks", "without", "value", to=0.999)),
    "number of duplicates": ("eval", at("result", "leaks", "count", to=1)),
    "no duplicates, and a better accuracy": ("eval", at("result", "leaks", to=NO_LEAKS)),
    "a figure twice": ("eval", before("metrics", estimate={"value": 0.99, "low": 0.98, "high": 0.995, "n": 120})),
    "a figure that there is not": ("eval", before("metrics", name="auc")),
    "a figure of another name": ("eval", at("result", "metrics", 1, "name", to="accuracy")),
    "a figure removed": ("eval", without("metrics", 0)),
    "a class twice": ("eval", before("per_class", n=1000)),
    "a class removed": ("eval", without("per_class", 2)),
    "no confusion": ("eval", at("result", "confusion", to=[])),
    "a cell of the confusion": ("compared", at("result", "confusion", 0, "count", to=7)),
    "bin": ("eval", at("result", "bins", 9, "accuracy", to=0.123)),
    "no mistakes": ("compared", at("result", "mistakes", to=[])),
    "gate": ("compared", other_gate),
    "gate of a table": ("table", other_gate),
    "gate that failed": ("gate", other_gate),
    "name of the network": ("eval", at("result", "model", to="resnet50")),
    "name of the data": ("eval", at("result", "data", to="cifar10")),
    "set": ("eval", at("result", "split", to="train")),
    "comparison that is a number": ("table", at("result", "comparison", to=0.5)),
    "slices removed": ("compared", at("result", "slices", to=[])),
    "comparison removed": ("table", at("result", "comparison", to=None)),
    "abstention removed": ("compared", at("result", "abstention", to=None)),
    "images needed removed": ("compared", at("result", "needed", to=None)),
    "suspects removed": ("compared", at("result", "suspects", to=None)),
    "an abstention that was not asked for": ("eval", at("result", "abstention", to={"risk": 0.02, "threshold": 0.5})),
    "slices that were not asked for": ("eval", at("result", "slices", to=[{"column": "site", "name": "a"}])),
    "worst slice": ("eval", at("result", "worst_slice", to="site=a")),
    "number of groups": ("eval", at("result", "n_groups", to=5)),
    "positive class": ("eval", at("result", "metrics", 0, "positive", to="3")),
    "slices that are a number": ("compared", at("result", "slices", to=3)),
    "command": ("eval", at("command", to="train")),
    "eps of the options": ("attack", at("config", "eps", to=[0.5])),
    "method of the options": ("attack", at("config", "method", to=["pgd"])),
    "accuracy at a severity": ("corruptions", at("result", "rows", 3, "accuracy", "value", to=0.999)),
    "error of a corruption": ("corruptions", at("result", "by_corruption", 0, "error", "value", to=0.001)),
    "a severity removed": ("corruptions", without("rows", 0)),
    "figures that are text": ("eval", at("result", "metrics", to="top-1")),
    "status of a gate that passed": ("stopped", at("status", to=1)),
    "status of a gate that failed": ("gate", at("status", to=0)),
    "status of an attack": ("attack", at("status", to=1)),
    "an entry of the record": ("eval", at("approved", to=True)),
    "an entry of the result": ("eval", at("result", "f1", to=0.99)),
    "an entry of a class": ("eval", at("result", "per_class", 0, "note", to="excellent")),
    "an entry of an attack": ("attack", at("result", "certified", to=0.9)),
    "an entry of a row": ("train", at("result", "rows", 0, "auc", to=0.99)),
    "a result without an entry": ("corruptions", lambda content: content["result"].pop("notes") and None),
    "no inputs": ("eval", at("inputs", to={})),
    "no inputs of a table": ("table", at("inputs", to={})),
    "no inputs of a training": ("train", at("inputs", to={})),
    "end of an interval": ("attack", at("result", "headline", "adversarial", "high", to=0.99)),
    "end of an interval of a class": ("methods", at("result", "per_class", 1, "clean", "low", to=0.0)),
    "end of an interval of a corruption": ("corruptions", at("result", "by_corruption", 1, "error", "low", to=0.0)),
    "end of an interval at a severity": ("corruptions", at("result", "rows", 1, "accuracy", "high", to=1.0)),
    "end of the interval of the mean error": ("corruptions", at("result", "mean_error", "high", to=0.01)),
    "gate of an attack": ("attack", failed_attack),
    "end of the interval of a training": ("train", at("result", "rows", 0, "accuracy", "low", to=0.99)),
    "number of a share": ("attack", at("result", "rows", 0, "adversarial", "n", to=100_000)),
    "corruptions of the options": ("corruptions", at("config", "corruptions", to=["fog"])),
    "arguments of another network": ("eval", at("arguments", to=["eval", "resnet50"])),
    "arguments of another command": ("eval", at("arguments", to=["attack"])),
    "arguments of another gate": ("gate", at("arguments", to=["eval", "--fail-under", "top-1=0.5"])),
    "arguments that are none": ("eval", at("arguments", to=["eval", "--best-of", "9"])),
    "arguments of a switch": ("eval", at("arguments", to=["eval", "-q", "--suspects"])),
}


def test_the_page_tells_how_many_changes_these_are() -> None:
    page = (ROOT / "docs" / "verifying.md").read_text(encoding="utf-8")
    assert f"changes {len(BESIDE) + len(INSIDE)} things" in page


@pytest.mark.parametrize("resealed", [False, True])
@pytest.mark.parametrize("kind", BESIDE)
def test_what_is_changed_beside_a_record_is_refused(runs: Path, kind: str, resealed: bool) -> None:
    name, change = BESIDE[kind]
    change(runs)
    if resealed:
        edit(runs / name, lambda content: None, resealed=True)
    result = checked(runs / name)
    assert result.failed and result.refused


@pytest.mark.parametrize("resealed", [False, True])
@pytest.mark.parametrize("kind", INSIDE)
def test_what_is_changed_in_a_record_is_refused(runs: Path, kind: str, resealed: bool) -> None:
    name, change = INSIDE[kind]
    edit(runs / name, change, resealed=resealed)
    result = checked(runs / name)
    assert result.failed and result.refused


def follow_images(content: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Make all figures of an attack those of its arrays."""
    result, y = content["result"], arrays["y"]
    right = {kind: arrays[f"predicted_{name}"] == y for kind, name in (("clean", "clean"), ("adversarial", "0.2"))}
    for row in (result["headline"], *result["rows"]):
        row |= {kind: vars(share_of(one)) for kind, one in right.items()}
    for row in result["per_class"]:
        row |= {kind: vars(share_of(one[y == int(row["name"])])) for kind, one in right.items()}
    result["by_method"][0]["adversarial"] = vars(share_of(right["adversarial"]))


@pytest.mark.parametrize(
    ("change", "refused"),
    [(better_labels, "labels that are those of the data"), (better_when_clean, "labels of a tenth of the clean images")],
)
def test_an_attack_whose_figures_follow_what_was_changed_is_refused(
    runs: Path, change: Callable[[Path], None], refused: str
) -> None:
    change(runs)
    with np.load(runs / "attack" / "adversarial.npz") as arrays:
        edit(runs / "attack", lambda content: follow_images(content, arrays), resealed=True)
    assert refused in [one.what for one in checked(runs / "attack").refused]


def test_a_missing_file_is_refused(runs: Path) -> None:
    removed_file(runs)
    assert any(one.found == "missing" for one in checked(runs / "eval").refused)


LEFT = [
    *((name, "report.html") for name in RUNS),
    *(("train", name) for name in ("model.json", "weights.safetensors")),
    *((name, "predictions.csv") for name in ("eval", "gate", "stopped", "compared")),
    ("compared", "flips.csv"),
    ("attack", "adversarial.npz"),
    ("corruptions", "corruptions.npz"),
]


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(("name", "file"), LEFT)
def test_what_such_a_run_leaves_has_a_hash(runs: Path, name: str, file: str, there: bool) -> None:
    """Without the file as well, which is then gone without a trace."""
    if not there:
        (runs / name / file).unlink()
    edit(runs / name, lambda content: content["files"].pop(file) and None, resealed=True)
    refused = {one.what: one.found for one in checked(runs / name).refused}
    assert refused["files of such a run that are not listed"] == file


@pytest.mark.parametrize("name", RUNS)
def test_files_that_are_no_part_of_the_record_are_named(runs: Path, name: str) -> None:
    """Also those that other runs of the command write; they refuse nothing."""
    folder = runs / name
    assert not [one for one in checked(folder).notes if "does not list" in one]
    listed = json.loads((folder / "run.json").read_text())["files"]
    planted = sorted({"flips.csv", "metrics.json", "extra.csv"} - listed.keys())
    for one in planted:
        (folder / one).write_text("index,fixed\n0,true\n")
    (folder / "deeper").mkdir()
    result = checked(folder)
    named = {one.what: (one.found, one.verdict) for one in result.checks}
    assert named["other files in the folder"] == (", ".join(sorted([*planted, "deeper/"])), Verdict.SKIPPED)
    assert not result.failed and any(all(one in note for one in planted) for note in result.notes)


def test_a_file_beside_those_in_a_folder_of_the_record_is_named(runs: Path) -> None:
    (runs / "eval" / "sub").mkdir()
    for name in ("listed.csv", "planted.csv"):
        (runs / "eval" / "sub" / name).write_text("a\n1\n")
    edit(runs / "eval", lambda content: content["files"].update({"sub/listed.csv": ""}), resealed=True)
    assert {one.what: one.found for one in checked(runs / "eval").checks}["other files in the folder"] == "sub/planted.csv"


@pytest.mark.parametrize("more", [False, True])
def test_a_network_calibrated_after_the_run_is_told(runs: Path, more: bool) -> None:
    """If that is the only difference."""
    (runs / "train" / "calibration.json").write_text("{}")
    if more:
        (runs / "train" / "history.csv").write_text("epoch\n")
    result = checked(runs / "eval")
    assert [one.what for one in result.refused] == [f"input {runs / 'train'}"]
    assert ("differs only by calibration.json" in result.failed) == (not more)


def test_other_versions_of_packages_are_noted_but_hold(runs: Path) -> None:
    edit(runs / "eval", at("environment", "packages", "numpy", to="1.0"), resealed=True)
    result = checked(runs / "eval")
    assert not result.failed
    assert any(one.verdict is Verdict.OTHER and "numpy" in one.what for one in result.checks)


def test_a_folder_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json"):
        checked(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        checked(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"command": "eval"}))
    with pytest.raises(InputError, match="has no"):
        checked(tmp_path)


@pytest.mark.parametrize(
    ("place", "first"), [("{", '"result": {"metrics": []}, '), ('"value": ', "0.999, "), ('"n_images": ', "9999, ")]
)
def test_a_name_that_stands_twice_in_a_record_is_refused(runs: Path, place: str, first: str) -> None:
    """A reader that takes the first value sees another figure than the one of which the seal is."""
    path = runs / "eval" / "run.json"
    before, found, after = path.read_text().partition(place)
    path.write_text(before + found + first + ("" if found == "{" else found) + after)
    with pytest.raises(InputError, match="stands twice in an object"):
        checked(runs / "eval")


def test_a_record_that_holds_no_number_is_refused(runs: Path) -> None:
    text = (runs / "eval" / "run.json").read_text()
    (runs / "eval" / "run.json").write_text(re.sub(r'"value": [\d.]+', '"value": NaN', text, count=1))
    with pytest.raises(InputError, match="NaN is not a number"):
        checked(runs / "eval")


def test_the_tenth_is_that_of_the_seed() -> None:
    assert len(a_tenth(95, 0)) == 10 and len(a_tenth(1, 0)) == 1
    assert a_tenth(1000, 1).tolist() == a_tenth(1000, 1).tolist() != a_tenth(1000, 2).tolist()


def shares() -> Iterator[int]:
    drawn = np.random.default_rng(0)
    right = drawn.random(500) < 0.9
    return (int(right[a_tenth(500, seed)].sum()) for seed in range(200))


def test_a_true_share_is_seldom_refused_and_a_false_one_often() -> None:
    drawn = np.random.default_rng(0)
    right = drawn.random(500) < 0.9
    true, false = (
        [sampled_share("a", value, 500, hits, 50).verdict for hits in shares()] for value in (float(right.mean()), 0.6)
    )
    assert true.count(Verdict.REFUSED) <= 2
    assert false.count(Verdict.REFUSED) >= 190


def test_relative_paths_begin_where_the_run_was_started(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, other, moved = tmp_path / "started", tmp_path / "other", tmp_path / "moved"
    other.mkdir()
    started.mkdir()
    shutil.copy(made / "data.npz", started)
    shutil.copytree(made / "train", started / "train")
    monkeypatch.chdir(started)
    do("eval", model="train", data="data.npz", output=Path("report"))
    for place, name in ((started, "report"), (other, "../started/report"), (other, str(started / "report"))):
        monkeypatch.chdir(place)
        assert not checked(Path(name)).failed and Path.cwd() == place
    started.rename(moved)  # the present folder holds what the run read
    monkeypatch.chdir(moved)
    assert not checked(Path("report")).failed
    monkeypatch.chdir(other)
    failed = checked(moved / "report").failed
    assert f"; train is not in {started} nor in {other} (verify the run from the folder that has it)" in failed
    assert "input train" in failed and "input data.npz" in failed


def test_only_ties_may_differ() -> None:
    logits = np.array([[0.0, 1.0, 0.5, -9.0], [0.0, 1.0, 2.0, 2.0 + 1e-6]])
    assert repeated_labels("a", [1, 3], [1, 3], logits).verdict is Verdict.SAME
    assert repeated_labels("a", [1, 2], [1, 3], logits).verdict is Verdict.CLOSE
    # A label that is not one of the two that are tied, though they are, and one that the network has not.
    for claimed in ([1, 0], [1, -1], [0, 3]):
        assert repeated_labels("a", claimed, [1, 3], logits).verdict is Verdict.REFUSED


class Hot(torch.nn.Module):
    """A network whose probabilities are 0 and 1 in nine digits, and below the smallest number of float64."""

    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Linear(64, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Its logits."""
        return 3000 * self.net(x.flatten(1))


HOT = f"{Path(__file__)}:Hot"


@pytest.fixture(scope="module")
def hot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with saturated probabilities, and its evaluation."""
    place, drawn = tmp_path_factory.mktemp("hot"), np.random.default_rng(3)
    y = np.arange(400) % 8
    x = np.clip(drawn.normal(0.3, 0.2, (400, 1, 8, 8)) + 0.4 * (np.arange(8) == y[:, None, None])[:, None], 0, 1)
    np.savez(place / "data.npz", x_train=x[:200].astype("f4"), y_train=y[:200], x_test=x[200:].astype("f4"), y_test=y[200:])
    data = str(place / "data.npz")
    do("train", data=data, model=HOT, epochs=2, lr="0.01", output=place / "train")
    do("eval", model=str(place / "train"), data=data, trust_code=True, abstain=0.4, suspects=True, output=place / "eval")
    return place


def test_an_honest_record_of_probabilities_of_0_and_1_holds(hot: Path) -> None:
    result = checked(hot / "eval", trust_code=True)
    assert not result.failed
    untold = [one.what for one in result.checks if one.verdict is Verdict.SKIPPED]
    assert any("macro-auc" in what for what in untold)
    with open(hot / "eval" / "predictions.csv", newline="") as stream:
        p = np.array([[float(row[f"p_{k}"]) for k in range(8)] for row in csv.DictReader(stream)])
    assert (p == 0).sum() > len(p)  # what the test is about


@pytest.mark.parametrize(("figure", "value"), [("macro-auc", 0.9999999), ("macro-ap", 0.9999999), ("top-5", 1.0)])
def test_what_no_order_of_equal_probabilities_gives_is_refused(hot: Path, tmp_path: Path, figure: str, value: float) -> None:
    copy = tmp_path / "eval"
    shutil.copytree(hot / "eval", copy)

    def better(content: dict[str, Any]) -> None:
        one = next(one for one in content["result"]["metrics"] if one["name"] == figure)
        assert one["estimate"]["value"] < value - 1e-3
        one["estimate"]["value"] = value

    edit(copy, better, resealed=True)
    assert checked(copy, trust_code=True).failed


def test_probabilities_of_classes_that_the_network_does_not_give_are_refused(runs: Path) -> None:
    """Those of all but the true and the predicted class are swapped, which neither the loss nor the margin tells."""
    rows = _rows(runs / "eval")
    for row in rows:
        free = [k for k in map(str, range(4)) if k not in (row["truth"], row["label"])]
        row[f"p_{free[0]}"], row[f"p_{free[1]}"] = row[f"p_{free[1]}"], row[f"p_{free[0]}"]
    _write(runs / "eval", rows)
    result = eval_engine.run(EvalConfig(model=str(runs / "eval" / "predictions.csv")))

    def follow(content: dict[str, Any]) -> None:
        again = json.loads(json.dumps([asdict(one) for one in result.metrics]))
        content["result"]["metrics"] = again
        content["result"]["per_class"] = json.loads(json.dumps([asdict(one) for one in result.per_class]))

    edit(runs / "eval", follow, resealed=True)
    refused = [one.what for one in checked(runs / "eval").refused]
    assert "probabilities of all classes of a tenth" in refused
