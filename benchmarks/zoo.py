"""Every command on networks of torchvision and timm with random weights: exit statuses as a Markdown table.

python benchmarks/zoo.py --networks torchvision:resnet18 timm:vit_tiny_patch16_224 -o zoo.md

0 is a result, 3 a refusal by name, 70 would be a bug; `slow` took longer than --seconds. Networks take twelve images of noise
in two classes, at the size in SIZES or 64 pixels; attacks take two of them. A refusal is printed below its row. Commands run in
forks of one process, so that libraries are imported once.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import timm
import torchvision
from PIL import Image

from dlcli.cli.app import main as dlcli

NETWORKS = (
    *(
        f"torchvision:{name}"
        for name in (
            *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "maxvit_t"),
            *("mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5"),
            *("squeezenet1_1", "swin_t", "vgg11_bn", "vit_b_32"),
        )
    ),
    *(
        f"timm:{name}"
        for name in (
            *("resnet18", "resnext50_32x4d", "seresnet18", "ecaresnet26t", "convnext_atto", "convnextv2_atto"),
            *("vit_tiny_patch16_224", "deit3_small_patch16_224", "swin_tiny_patch4_window7_224", "efficientnet_b0"),
            *("efficientnetv2_rw_t", "mobilenetv3_small_100", "mobilenetv4_conv_small", "regnety_002", "densenet121"),
            *("maxvit_pico_rw_256", "mixer_s32_224", "nfnet_f0", "repvgg_a0", "ghostnet_100"),
        )
    ),
)
SIZES = {"torchvision:vit_b_32": 224, "torchvision:maxvit_t": 224, "torchvision:inception_v3": 96}
COMMANDS = ("eval", "predict", "summary", "attack", "probe", "train", "elu", "erase-relu", "convert")

_FILE = """import torch
from dlcli.core.models.hubs import HUBS


def __getattr__(name):
    hub, _, network = name.partition("__")
    def build(size):
        torch.manual_seed(0)
        return HUBS.module(hub).build(network, 3, size, 2)
    return build
"""


class Outcome(NamedTuple):
    """How a command ended: its status in a word, and its last line on standard error."""

    status: str
    line: str


def main() -> None:
    """A row for each network, a column for each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--seconds", type=float, default=600.0, help="for each command (default: 600)")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    print(f"torchvision {torchvision.__version__}, timm {timm.__version__}\n")
    lines = ["| network | pixels | " + " | ".join(COMMANDS) + " |", "|---" * (len(COMMANDS) + 2) + "|"]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.networks:
            size = SIZES.get(name, 64)
            found = run_all(Path(folder), name, size, options.seconds)
            lines.append(f"| {name} | {size} | " + " | ".join(one.status for one in found) + " |")
            print(lines[-1], flush=True)
            for command, one in zip(COMMANDS, found, strict=True):
                if one.status != "0":
                    print(f"  {command}: {one.line}", flush=True)
    if options.output is not None:
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


def run_all(folder: Path, name: str, size: int, seconds: float) -> list[Outcome]:
    """The outcome of each command on a network."""
    (folder / "nets.py").write_text(_FILE, encoding="utf-8")
    draws = np.random.default_rng(0)
    for k in range(12):
        path = folder / f"images{size}" / "ab"[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draws.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(path)
    return [outcome(folder, words, seconds) for words in command_lines(name, size)]


def command_lines(name: str, size: int) -> list[list[str]]:
    """The words of each of COMMANDS."""
    net, data = f"nets.py:{name.replace(':', '__')}", ["--data", f"images{size}"]
    file = name.replace(":", "-")
    fit = ["train", "--model", net, *data, "--epochs", "1", "--batch-size", "4", "--limit", "8", "-o"]
    return [
        ["eval", net, *data, "--limit", "4"],
        ["predict", net, f"images{size}", "--limit", "4"],
        ["eval", "--summary", "--arch", name, *data],
        ["attack", "--method", "fgsm", "--model", net, *data, "--eps", "0.01", "--limit", "2"],
        ["probe-gradients", "--model", net, *data, "--limit", "2", "--walks", "1", "--points", "8"],
        [*fit, f"{file}-train"],
        [*fit, f"{file}-elu", "--with", "elu"],
        [*fit, f"{file}-erase", "--with", "erase-relu"],
        ["convert-2d-to-3d", net, "--size", str(size), "--frames", "2", "-o", f"{file}.safetensors"],
    ]


def outcome(folder: Path, words: Sequence[str], seconds: float) -> Outcome:
    """Run a command in `folder`; a traceback is marked."""
    errors = folder / "stderr"
    process = multiprocessing.get_context("fork").Process(target=_run, args=(folder, list(words), errors))
    process.start()
    process.join(seconds)
    slow = process.is_alive()
    process.kill()
    process.join()
    text = errors.read_text(encoding="utf-8")
    line = (text.strip().splitlines() or [""])[-1]
    return Outcome("slow" if slow else f"{process.exitcode}{' traceback' if 'Traceback' in text else ''}", line)


def _run(folder: Path, words: list[str], errors: Path) -> None:
    os.chdir(folder)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    with open(os.devnull, "wb") as nothing, errors.open("wb") as file:
        os.dup2(nothing.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["dlcli", *words]
    dlcli()


if __name__ == "__main__":
    main()
