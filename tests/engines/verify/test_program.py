"""`dlcli verify` of what the program itself leaves: its last steps come after the record."""

import json

import pytest


@pytest.fixture
def ran(dlcli, tmp_path):
    def run(*arguments):
        done = dlcli(*arguments, "--device", "cpu", cwd=tmp_path)
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
    return tmp_path


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
