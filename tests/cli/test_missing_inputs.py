"""What is missing has status 3, whatever option names it; a name that is not among those to choose from has status 2.

A column of scores that is named and missing has status 2.
"""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlcli.cli.command import SUBCOMMANDS
from tests.conftest import Run

MISSING = """
train --data nope
train --data nope/
train --data nope.csv
train --data coco:nope.json
train --data pics --label-column nope
train --data digits --label-column nope
train --model nope.py:net
train --model nope.safetensors
train --model runs/nope
train --weights nope
train --weights nope.safetensors
train --data pics --group nope
train --task pairs --data nope.csv
train --task pairs --data pairs.csv --columns a,b,nope
train --task pairs --data pairs.csv --vectors static:nope
train --config nope.toml
eval nope
eval nope.safetensors
eval --data nope
eval --data pics --label-column nope
eval --diagnose --data nope
eval --slices nope
eval --group nope
predict nope
predict --data nope
predict --data nope.png
predict --data nope.mp4 --every 1s
predict --data films/nope --every 1s
ensemble --data nope
ensemble --data nope.csv
ensemble --add nope
ensemble --data pics --label-column nope
attack --data nope
attack --data pics --label-column nope
attack --model nope.safetensors --arch lenet
attack --model runs/nope
attack --method transfer --surrogate nope.safetensors
probe-gradients --model mlp --data nope
probe-gradients --model lenet --weights nope
probe-gradients --model lenet --weights nope.safetensors
probe-gradients --model mlp --data pics --label-column nope
convert-2d-to-3d nope.safetensors
convert-2d-to-3d nope.py:net
convert-2d-to-3d cifar-resnet-8 --weights nope.pth
convert-2d-to-3d cifar-resnet-8 --recalibrate-bn nope
dedupe nope
dedupe nope.csv
dedupe texts.csv --column nope
dedupe texts.csv --within nope
dedupe pairs.csv --pair-columns a,nope
dedupe texts.csv --against nope.csv
dedupe texts.csv --against texts.csv --against-column nope
dedupe texts.csv --labelled nope.csv
dedupe texts.csv --model nope
dedupe texts.csv --vectors static:nope
dedupe texts.csv --index ix --key nope
"""
WRONG = """
train --task score --data pics --score-column nope
train --task score --data pics --raters nope
train --model nope
train --optimizer nope
train --with nope
attack --method nope
convert-2d-to-3d nope
dedupe texts.csv --vectors nope
dedupe texts.csv --encoding nope
predict --device nope
eval --fail-under nope=1
"""


def _lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables and pictures that are there."""
    folder = tmp_path_factory.mktemp("inputs")
    random = np.random.default_rng(0)
    (folder / "pics").mkdir()
    for k in range(8):
        Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(folder / "pics" / f"{k}.png")
    tables = {
        "pics/labels.csv": [("file", "label"), *((f"{k}.png", "ab"[k % 2]) for k in range(8))],
        "texts.csv": [("id", "text"), *((k, f"what is the number {k} good for") for k in range(6))],
        "pairs.csv": [("a", "b", "label"), *((f"what is {k}", f"what is {k + k % 2}", k % 2) for k in range(20))],
    }
    for name, rows in tables.items():
        with (folder / name).open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)
    return folder


@pytest.mark.parametrize("line", _lines(MISSING))
def test_what_is_missing_is_input(line: str, dlcli: Run, folder: Path):
    done = dlcli(*line.split(), cwd=folder)
    assert (done.returncode, done.stdout) == (3, b""), done.stderr
    assert b"nope" in done.stderr


@pytest.mark.parametrize("line", _lines(WRONG))
def test_a_name_that_is_not_among_the_choices_is_usage(line: str, dlcli: Run, folder: Path):
    done = dlcli(*line.split(), cwd=folder)
    assert (done.returncode, done.stdout) == (2, b""), done.stderr
    assert b"nope" in done.stderr


def test_every_command_that_reads_is_here():
    assert {line.split()[0] for line in _lines(MISSING)} >= set(SUBCOMMANDS)
