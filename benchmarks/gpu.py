"""Measure dlcli on one GPU in under four minutes: does it agree with a CPU, and how fast is it?

    python benchmarks/gpu.py -o OUT [--data FOLDER]
    python benchmarks/gpu.py --device cpu --small

A line is printed for each row as soon as it is known; with `-o`, OUT/gpu.json and OUT/gpu.md (a table) are written after each
section. The exit status is 1 if a check failed or a part raised, else 0: a target of speed that was missed does not count. The
second command rehearses everything on a CPU. docs/gpu.md explains the rows.

It needs torch, torchvision, scikit-learn, scipy, pandas, safetensors, filelock and threadpoolctl. What compares with
sentence-transformers, foolbox or torchattacks says `not measured` where these are missing.
"""

import argparse
import os
import sys
from pathlib import Path

# Before CUDA starts: without a workspace of its own, cuBLAS may add up in another order in each run.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

from _gpu.schedule import Run  # noqa: E402
from _gpu.sections import SECTIONS  # noqa: E402
from _gpu.setup import Setup  # noqa: E402

from dlcli.core.compute.device import choose_device  # noqa: E402


def main() -> int:
    """Run the sections that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N; on a CPU sizes are always small")
    parser.add_argument("--small", action="store_true", help="small sizes, one warm-up and one round")
    parser.add_argument("--seconds", type=float, default=220, help="what the sections share [default: 220]")
    parser.add_argument("--only", choices=[section.name for section in SECTIONS], action="append", help="repeatable")
    parser.add_argument("--data", type=Path, help="folder with mnist.npz, cifar10_subset.npz and cifar10_resnet20.pth")
    parser.add_argument("-o", "--output", type=Path, help="folder for gpu.json and gpu.md")
    options = parser.parse_args()
    device = choose_device(options.device)
    setup = Setup(device, options.small or device.type == "cpu", options.data)
    chosen = [section for section in SECTIONS if options.only is None or section.name in options.only]
    return Run(setup, options.output).sections(chosen, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
