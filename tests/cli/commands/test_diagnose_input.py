"""`dlcli eval --diagnose input`, and the warnings of the commands that run a network of the user's own."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

# Trained on digits as bytes, so wrongly fed unless `--normalise 0-255` is given.
NETS = """
import torch
from torch import nn
from dlcli.core.data import open_data


@torch.enable_grad()
def bytes_net(normalise="0-255"):
    torch.manual_seed(0)
    data = open_data("digits")
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(255 * data.x_train), data.y_train).backward()
        optimizer.step()
    return net.eval()
"""
TIMES = """
class Times(nn.Module):
    def forward(self, x):
        return 255 * x
"""
FRESH = """
def fresh():
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
"""
WARNING = "seems to be fed wrongly by --normalise none"


@pytest.fixture
def net(tmp_path):
    (tmp_path / "nets.py").write_text(NETS)
    return "nets.py:bytes_net"


def test_the_table_names_the_right_way(dlcli, net):
    done = dlcli("eval", net, "--diagnose", "input", "--format", "json")
    found = json.loads(done.stdout)["input"]
    assert done.returncode == 0 and (found["current"], found["best"], found["sure"]) == ("none", "0-255", True)
    rows = {row["normalise"]: row["misfit"] for row in found["feedings"]}
    assert rows["0-255"] < 0.2 < rows["none"] and min(rows, key=rows.get) == "0-255"
    same = dlcli("eval", net, "--diagnose-input", "--format", "csv")
    assert same.stdout.decode().splitlines()[0] == "normalise,misfit,right,loss,margin,information"
    assert len(same.stdout.splitlines()) == len(rows) + 1


def test_the_word_after_diagnose_is_not_taken_for_the_data(dlcli, net):
    bare = dlcli("eval", net, "--diagnose", "digits", "--format", "json")
    assert json.loads(bare.stdout)["diagnosis"] is not None
    assert dlcli("eval", net, "--diagnose", "input", "--summary").returncode == 2


@pytest.mark.parametrize(
    "words",
    [
        ("eval",),
        ("predict",),
        ("attack", "--limit", "40", "--model"),
        ("probe-gradients", "--limit", "80", "--walks", "1", "--model"),
        ("train", "--limit", "300", "--epochs", "1", "--model"),
        ("ensemble", "--limit", "300", "--epochs", "1", "--members", "2", "--workers", "1", "--model"),
    ],
)
def test_every_command_warns_of_the_wrong_feeding_only(dlcli, net, words):
    wrong = dlcli(*words, net)
    assert wrong.returncode == 0 and WARNING in wrong.stderr.decode() and "pass --normalise 0-255" in wrong.stderr.decode()
    right = dlcli(*words, net, "--normalise", "0-255")
    assert right.returncode == 0 and "fed wrongly" not in right.stderr.decode()


def test_a_surrogate_is_looked_at_too_and_has_its_own_advice(dlcli, net, tmp_path):
    (tmp_path / "own.py").write_text(NETS + "\ndef own():\n    return nn.Sequential(Times(), bytes_net())\n" + TIMES)
    words = ("attack", "--model", "own.py:own", "--method", "transfer", "--limit", "40", "--surrogate")
    wrong = dlcli(*words, net).stderr.decode()
    assert f"warning: --surrogate: the network {WARNING}" in wrong and "let its own code do as --normalise 0-255" in wrong
    right = dlcli(*words, "own.py:own")
    assert right.returncode == 0 and "fed wrongly" not in right.stderr.decode()


def test_weights_to_train_further_are_looked_at_and_random_ones_are_not(dlcli, tmp_path):
    (tmp_path / "nets.py").write_text(NETS + FRESH)
    (tmp_path / "save.py").write_text("import torch, nets; torch.save(nets.bytes_net().state_dict(), 'net.pt')")
    subprocess.run([sys.executable, "save.py"], cwd=tmp_path, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    words = ("train", "--limit", "300", "--epochs", "1", "--model", "nets.py:fresh")
    assert WARNING in dlcli(*words, "--weights", "net.pt").stderr.decode()
    for given in ((), ("--weights", "net.pt", "--normalise", "0-255")):
        done = dlcli(*words, *given)
        assert done.returncode == 0 and "fed wrongly" not in done.stderr.decode()


def test_a_run_of_our_own_is_not_doubted(dlcli):
    assert dlcli("train", "--epochs", "1", "--normalise", "0-255", "-o", "r").returncode == 0
    assert b"fed wrongly" not in dlcli("eval", "r").stderr
