import os

import pytest
import torch

from benchmarks._gpu.setup import open_setup

NAMED = os.environ.get("DLCLI_TEST_DEVICE", "")


@pytest.fixture(scope="session")
def setup():
    """Small sizes on the device of DLCLI_TEST_DEVICE, or on the GPU."""
    if not NAMED and not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device; DLCLI_TEST_DEVICE=cpu runs these tests on the CPU")
    return open_setup(NAMED or "cuda", small=True)
