"""Random numbers of torch, and the states of all generators; `dlcli.support.seeds` derives their seeds."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def generator(seed: int) -> torch.Generator:
    """A generator that starts at `seed`; on the CPU, so that draws are the same for every device."""
    return torch.Generator().manual_seed(seed)


@contextmanager
def preserved() -> Iterator[None]:
    """Restore the random states of torch (all devices), numpy and Python at the end of the block.

    CUDA that is not in use yet is left alone: to read its states would initialise it, which takes time and memory of the GPU,
    and fails with a broken driver, in runs on the CPU too. It will start from the seed that torch had before the block.
    """
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global state is what must be restored
    cuda, seed = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [], torch.initial_seed()
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
            if cuda:
                torch.cuda.set_rng_state_all(cuda)
            elif torch.initial_seed() != seed and torch.cuda.is_available():
                torch.cuda.manual_seed_all(seed)  # it was seeded in the block, now or for the time when it is initialised
            if mps is not None:
                torch.mps.set_rng_state(mps)
