"""Randomness that is named, not shared: every use derives its own seed from the run's one seed."""

import hashlib
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive(seed: int, *path: str | int) -> int:
    """A seed in [0, 2**63) for the use that `path` names, such as `"member", 3, "init"`.

    By SHA-256, so streams of different paths or seeds are independent, and adding a use changes no other.
    """
    digest = hashlib.sha256(json.dumps([seed, *path]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int) -> torch.Generator:
    """A CPU generator that starts at `seed`; the CPU's, so that draws are the same whatever the device."""
    return torch.Generator().manual_seed(seed)


@contextmanager
def preserved() -> Iterator[None]:
    """Put the random states of torch (all devices), numpy and Python back at the end of the block."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global state is what is kept
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
            if cuda:
                torch.cuda.set_rng_state_all(cuda)
            if mps is not None:
                torch.mps.set_rng_state(mps)
