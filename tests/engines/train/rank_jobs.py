"""What two processes of torchrun do for test_distributed.py: train networks, and check what ranks share."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # noqa: F401  # imported while there is a group, it keeps that until the interpreter ends
from torch import nn

import dlcli
from dlcli.core.compute.ranks import joined
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.training.distributed import DistributedTraining
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT

NETS = """
from torch import nn
def plain():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
def dropout():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 10))
"""
COMMON = {"data": "digits", "precision": "float32", "device": "cpu", "epochs": 2, "batch_size": 100}
VARIANTS = {
    "plain": {"model": "nets.py:plain", "batch_size": 64, "clip_norm": 0.5, "ema": 0.9},
    "sliced": {"model": "nets.py:plain", "augment": ("shift", "rotate"), "class_weights": True},
    "whole": {"model": "nets.py:plain", "augment": ("blur",), "mixup": 0.4, "epochs": 1},
    "adversarial": {"model": "nets.py:plain", "adversarial": ("fgsm", 0.1, 0.5), "epochs": 1},
}
RANDOM = {"model": "nets.py:dropout", "epochs": 40}


def tracked_statistics() -> None:
    """With batch normalisation all ranks end with the same weights and the same running statistics, to the bit."""
    x, y = torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 3
    with joined(torch.device("cpu")) as ranks:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 3))
        recipe = Recipe(epochs=2, batch_size=7, lr=0.1, optimizer="sgd", options={"momentum": 0.9}, dtype="float32", ema=0.9)
        training = DistributedTraining(model, x, y, recipe, seed=0, device=torch.device("cpu"))
        while not training.done:
            with SILENT.task("") as task:
                training.run_epoch(task)
        training.finish()
        assert len(set(ranks.of_each(weights_sha256(model)))) == 1
        masks = ranks.of_each(training.random["cpu"])
        assert not torch.equal(*masks)


def main(folder: Path) -> None:
    dist.init_process_group("gloo")
    tracked_statistics()
    for name, options in VARIANTS.items():
        result = dlcli.train(**{**COMMON, **options}, output=folder / name)
        assert result.notes[0] == "trained by 2 processes, each on its part of every batch"
        assert result.folder == str(folder / name)
    dlcli.train(**{**COMMON, **RANDOM}, output=folder / "random")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
