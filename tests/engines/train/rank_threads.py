"""What two processes of torchrun do for test_distributed.py: take a step together, and look which threads outlive the group."""

from pathlib import Path

import torch

from dlcli.core.compute.ranks import joined

GLOO = "gloo"
"""In the names of the threads of a process group on CPUs."""


def threads() -> list[str]:
    """The names of the threads of this process."""
    return [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]


def main() -> None:
    with joined(torch.device("cpu")) as ranks:
        weight = torch.nn.Parameter(torch.ones(2))
        ranks.add_up(weight.detach())
        weight.grad = torch.ones(2)
        torch.optim.SGD([weight], 0.1).step()  # imports much of torch
        assert any(GLOO in name for name in threads())
    assert not any(GLOO in name for name in threads()), threads()


if __name__ == "__main__":
    main()
