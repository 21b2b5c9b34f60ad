"""`dlcli verify` of what the program itself leaves: its last steps come after the record."""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from dlcli.support.fingerprints import seal


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs of the program itself, which the tests copy."""
    folder = tmp_path_factory.mktemp("ran")

    def run(*arguments):
        words = [sys.executable, "-m", "dlcli", *arguments, "--device", "cpu"]
        done = subprocess.run(words, cwd=folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    run("train", "--epochs", "1", "--limit", "120", "-o", "run")
    run("eval", "run", "--limit", "120", "-o", "eval")
    run("attack", "--model", "run", "--method", "fgsm", "--limit", "40", "-o", "attack")
    run("ensemble", "--members", "2", "--epochs", "1", "--limit", "120", "-o", "ensemble")
    run(
        "train",
        "--epochs",
        "1",
        "--limit",
        "120",
        "--pretrain",
        "simclr",
        "--pretrain-epochs",
        "1",
        "--pretrain-only",
        "-o",
        "body",
    )
    return folder


@pytest.fixture
def ran(made, tmp_path):
    """Copies of the runs, in a folder of the same layout: inputs are named as they were typed."""
    shutil.copytree(made, tmp_path / "ran")
    return tmp_path / "ran"


def test_an_honest_record_of_each_command_holds(ran, dlcli):
    for name in ("run", "eval", "attack", "ensemble", "body"):
        done = dlcli("verify", name, cwd=ran)
        assert done.returncode == 0, (name, done.stdout[-2000:], done.stderr)
        listed = json.loads((ran / name / "run.json").read_text())["files"]
        there = {path.relative_to(ran / name).as_posix() for path in (ran / name).rglob("*") if path.is_file()}
        assert set(listed) == {one for one in there if not one.startswith(".")} - {"run.json"}
    listing = ran / "ensemble" / "ensemble.json"
    listing.write_text(listing.read_text().replace("mean", "max"))
    assert dlcli("verify", "ensemble", cwd=ran).returncode == 1


@pytest.mark.parametrize("name", ["top-5", "nll", "ece", "mcc", "worst-class"])
def test_each_figure_of_an_evaluation_is_computed_again(ran, dlcli, name):
    """Also when the seal was computed again after the change."""
    path = ran / "eval" / "run.json"
    record = json.loads(path.read_text())
    found = next(one["estimate"] for one in record["result"]["metrics"] if one["name"] == name)
    found["value"] = 0.9 * found["value"] + 0.05
    record["seal"] = seal(record)
    path.write_text(json.dumps(record))
    done = dlcli("verify", "eval", cwd=ran)
    assert done.returncode == 1 and name.encode() in done.stdout


def test_what_is_not_repeated_is_not_said_to_be(ran, dlcli):
    done = dlcli("verify", "body", cwd=ran)
    assert done.returncode == 0 and b"nothing was repeated, only hashes were compared" in done.stderr
    assert dlcli("eval", "eval/predictions.csv", "-o", "table", cwd=ran).returncode == 0
    done = dlcli("verify", "table", cwd=ran)
    assert (
        done.returncode == 0
        and b"from the table of predictions, which was not" in done.stderr
        and b"tenth of" not in done.stderr
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--summary", "--arch", "mlp"),
        ("run", "--diagnose", "input"),
        ("--prove-causal", "--arch", "tcn", "--data", "seq.npz"),
        ("-",),
    ],
)
def test_an_honest_record_of_what_cannot_be_repeated_holds(ran, dlcli, words):
    """Of an evaluation without figures, and of a table that came through a pipe, which verify does not read again."""
    np.savez(ran / "seq.npz", x=np.random.default_rng(0).normal(size=(40, 1, 12)).astype("f4"), y=np.arange(40) % 2)
    table = (ran / "eval" / "predictions.csv").read_bytes()
    done = dlcli("eval", *words, "-o", "other", cwd=ran, stdin=table)
    assert done.returncode == 0, done.stderr
    done = dlcli("verify", "other", cwd=ran, stdin=table)
    assert done.returncode == 0, done.stdout
    assert b"nothing was repeated, only hashes were compared" in done.stderr and b"not checked" in done.stdout


@pytest.mark.parametrize(
    ("place", "value", "refused"),
    [
        (("headline", "accuracy", "value"), 0.999, "test accuracy"),
        (("headline", "members"), 3, "number of members"),
        (("model_sha256",), "0" * 64, "SHA-256 of the members"),
    ],
)
def test_members_of_an_ensemble_are_combined_again(ran, dlcli, place, value, refused):
    path = ran / "ensemble" / "run.json"
    record = json.loads(path.read_text())
    found = record["result"]
    for name in place[:-1]:
        found = found[name]
    found[place[-1]] = value
    record["seal"] = seal(record)
    path.write_text(json.dumps(record))
    done = dlcli("verify", "ensemble", cwd=ran)
    assert done.returncode == 1 and refused.encode() in done.stderr


def test_predictions_that_are_gone_are_missed(ran, dlcli):
    path = ran / "eval" / "run.json"
    record = json.loads(path.read_text())
    del record["files"]["predictions.csv"]
    (ran / "eval" / "predictions.csv").unlink()
    record["seal"] = seal(record)
    path.write_text(json.dumps(record))
    assert dlcli("verify", "eval", cwd=ran).returncode == 1


@pytest.mark.parametrize("name", ["config", "files", "inputs", "environment", "result"])
def test_a_damaged_record_is_an_error_of_data(ran, dlcli, name):
    path = ran / "eval" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: None}))
    done = dlcli("verify", "eval", cwd=ran)
    assert done.returncode == 3 and b"is damaged" in done.stderr and name.encode() in done.stderr


def test_the_record_of_a_network_is_not_written_over(ran, dlcli):
    before = (ran / "run" / "run.json").read_bytes()
    done = dlcli("eval", "run", "--limit", "50", "-o", "run", cwd=ran)
    assert done.returncode == 2 and b"holds a run of dlcli train" in done.stderr
    assert (ran / "run" / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "folder", "before"),
    [
        (("attack", "--model", "run", "--limit", "20"), "eval", "eval"),
        (("eval", "run", "--limit", "20"), "attack", "attack"),
        (("train", "--epochs", "1", "--limit", "60"), "eval", "eval"),
        (("train", "--epochs", "1", "--limit", "60", "--resume"), "attack", "attack"),
        (("ensemble", "--members", "2", "--epochs", "1", "--limit", "60"), "run", "train"),
    ],
)
def test_a_folder_has_files_of_one_command(ran, dlcli, words, folder, before):
    there = {path: path.read_bytes() for path in (ran / folder).rglob("*") if path.is_file()}
    done = dlcli(*words, "-o", folder, cwd=ran)
    assert done.returncode == 2 and f"holds a run of dlcli {before}".encode() in done.stderr
    assert {path: path.read_bytes() for path in (ran / folder).rglob("*") if path.is_file()} == there


def test_files_of_the_run_before_are_removed_unless_they_are_the_users(ran, dlcli):
    """The second run writes no flips.csv; a file of the user and one that was edited stay."""
    assert dlcli("eval", "eval/predictions.csv", "--against", "eval/predictions.csv", "-o", "table", cwd=ran).returncode == 0
    assert (ran / "table" / "flips.csv").is_file()
    (ran / "table" / "mine.txt").write_text("mine")
    shutil.copytree(ran / "table", ran / "edited")
    (ran / "edited" / "flips.csv").write_text("edited")
    # Not in the second before the next run, whose files are known by their time.
    os.utime(ran / "edited" / "flips.csv", (time.time() - 60, time.time() - 60))
    for folder, flips in (("table", False), ("edited", True)):
        assert dlcli("eval", "eval/predictions.csv", "-o", folder, cwd=ran).returncode == 0
        assert (ran / folder / "flips.csv").is_file() == flips and (ran / folder / "mine.txt").is_file()
        assert "flips.csv" not in json.loads((ran / folder / "run.json").read_text())["files"]
        assert dlcli("verify", folder, cwd=ran).returncode == 0


def test_what_a_run_reads_in_its_own_folder_stays(ran, dlcli):
    done = dlcli("eval", "eval/predictions.csv", "-o", "eval", cwd=ran)
    assert done.returncode == 0 and (ran / "eval" / "predictions.csv").is_file()
