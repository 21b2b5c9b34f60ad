"""The sections of `benchmarks/gpu.py`, and the agreement checks that `tests/device` runs too."""

import sys
from pathlib import Path

# A GPU machine without a network may have dlcli as a checkout only, not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
