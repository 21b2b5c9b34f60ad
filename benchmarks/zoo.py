"""Every command on networks of torchvision with random weights: exit statuses as a Markdown table.

python benchmarks/zoo.py --networks resnet18 vit_b_16 -o zoo.md

0 is a result, 3 a refusal by name, 70 would be a bug; `slow` took longer than --seconds. Networks take twelve images of noise
in two classes, at the size in SIZES or 64 pixels; attacks take two of them.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

NETWORKS = (
    *("alexnet", "convnext_tiny", "convnext_small", "densenet121", "densenet169", "efficientnet_b0", "efficientnet_b1"),
    *("efficientnet_v2_s", "googlenet", "inception_v3", "maxvit_t", "mnasnet0_5", "mnasnet1_0", "mobilenet_v2"),
    *("mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "regnet_y_1_6gf", "resnet18"),
    *("resnet50", "resnext50_32x4d", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "squeezenet1_0", "squeezenet1_1"),
    *("swin_t", "swin_v2_t", "vgg11_bn", "vit_b_16", "vit_b_32", "wide_resnet50_2"),
)
SIZES = {"vit_b_16": 224, "vit_b_32": 224, "maxvit_t": 224, "inception_v3": 96}
COMMANDS = ("eval", "predict", "summary", "attack", "probe", "train", "elu", "erase-relu", "convert")

_FILE = """import torch, torchvision


def __getattr__(name):
    def build():
        torch.manual_seed(0)
        return torchvision.models.get_model(name, weights=None, num_classes=2)
    return build
"""


def main() -> None:
    """A row for each network, a column for each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--seconds", type=float, default=600.0, help="for each command (default: 600)")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    lines = ["| network | pixels | " + " | ".join(COMMANDS) + " |", "|---" * (len(COMMANDS) + 2) + "|"]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.networks:
            size = SIZES.get(name, 64)
            statuses = run_all(Path(folder), name, size, options.seconds)
            lines.append(f"| {name} | {size} | " + " | ".join(statuses) + " |")
            print(lines[-1], flush=True)
    if options.output is not None:
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


def run_all(folder: Path, name: str, size: int, seconds: float) -> list[str]:
    """The status of each command on a network."""
    (folder / "nets.py").write_text(_FILE, encoding="utf-8")
    draws = np.random.default_rng(0)
    for k in range(12):
        path = folder / f"images{size}" / "ab"[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draws.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(path)
    return [status(folder, words, seconds) for words in command_lines(name, size)]


def command_lines(name: str, size: int) -> list[list[str]]:
    """The words of each of COMMANDS."""
    net, data = f"nets.py:{name}", ["--data", f"images{size}"]
    fit = ["train", "--model", net, *data, "--epochs", "1", "--batch-size", "4", "--limit", "8", "-o"]
    return [
        ["eval", net, *data, "--limit", "4"],
        ["predict", net, f"images{size}", "--limit", "4"],
        ["eval", "--summary", "--arch", net, *data],
        ["attack", "--method", "fgsm", "--model", net, *data, "--eps", "0.01", "--limit", "2"],
        ["probe-gradients", "--model", net, *data, "--limit", "2", "--walks", "1", "--points", "8"],
        [*fit, f"{name}-train"],
        [*fit, f"{name}-elu", "--with", "elu"],
        [*fit, f"{name}-erase", "--with", "erase-relu"],
        ["convert-2d-to-3d", net, "--size", str(size), "--frames", "2", "-o", f"{name}.safetensors"],
    ]


def status(folder: Path, words: Sequence[str], seconds: float) -> str:
    """The exit status of a command in `folder`; a traceback is marked."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dlcli", *words], cwd=folder, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return "slow"
    return f"{done.returncode}{' traceback' if 'Traceback' in done.stderr else ''}"


if __name__ == "__main__":
    main()
