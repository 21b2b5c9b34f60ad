"""Measure dlcli on one GPU in under four minutes: does it agree with a CPU, and how fast is it?

    python benchmarks/gpu.py -o OUT [--data FOLDER]
    python benchmarks/gpu.py --device cpu --small

A line is printed for each row as soon as it is known; with `-o`, OUT/gpu.json and OUT/gpu.md (a table) are written after each
section. The exit status is 1 if a check failed or a part raised, else 0: a target of speed that was missed does not count. The
second command rehearses everything on a CPU. docs/gpu.md explains the rows.

It needs torch, torchvision, scikit-learn, scipy, safetensors, filelock and threadpoolctl. What compares with
sentence-transformers, foolbox or torchattacks says `not measured` where these are missing.
"""

import argparse
import sys
from pathlib import Path

from _gpu.schedule import Run
from _gpu.sections import SECTIONS
from _gpu.setup import open_setup


def main() -> int:
    """Run the sections that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="cuda, cuda:N or cpu [default: cuda if there is one]; on a CPU sizes are always small")
    parser.add_argument("--small", action="store_true", help="small sizes, one warm-up and one round")
    parser.add_argument("--seconds", type=float, default=220, help="what the sections share [default: 220]")
    parser.add_argument("--only", choices=[section.name for section in SECTIONS], action="append", help="repeatable")
    parser.add_argument("--data", type=Path, help="folder with mnist.npz, cifar10_subset.npz and cifar10_resnet20.pth")
    parser.add_argument("-o", "--output", type=Path, help="folder for gpu.json and gpu.md")
    options = parser.parse_args()
    setup = open_setup(options.device, small=options.small, data=options.data)
    chosen = [section for section in SECTIONS if options.only is None or section.name in options.only]
    return Run(setup, options.output).sections(chosen, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
