"""Precision of float32 in training: full where that is asked for, and whatever a caller has set is set again afterwards."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import predict_logits
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT

CPU = torch.device("cpu")
RECIPE = Recipe(2, 8, "sgd", 0.1)
X, Y = torch.rand(16, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 2
backends: Any = torch.backends
NODES = (backends.cudnn.conv, backends.cudnn.rnn, backends.cuda.matmul)


def settings() -> tuple[str, ...]:
    return tuple(node.fp32_precision for node in NODES)


class Noting(nn.Module):
    """A linear network that notes the settings of its passes, and whether it is being trained."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 2)
        self.seen: set[tuple[bool, tuple[str, ...]]] = set()

    def forward(self, x: Tensor) -> Tensor:
        self.seen.add((self.training, settings()))
        return self.layer(x.flatten(1))


@pytest.fixture(params=["nothing", "older", "newer, by operation", "newer, in general"])
def users(request: pytest.FixtureRequest) -> Any:
    """Settings of a caller, by each of torch's interfaces."""
    if request.param == "older":
        backends.cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("high")
    elif request.param == "newer, by operation":
        NODES[0].fp32_precision, NODES[2].fp32_precision = "ieee", "tf32"
    elif request.param == "newer, in general":
        backends.fp32_precision = "ieee"
    yield settings()
    backends.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")
    backends.cudnn.allow_tf32 = True
    for node in (NODES[2], backends.mkldnn.matmul):
        node.fp32_precision = "none"


@pytest.mark.parametrize(("dtype", "expected"), [("float32", "ieee"), ("fast", "tf32")])
def test_training_and_evaluation_have_their_own_precision(users: tuple[str, ...], dtype: str, expected: str):
    model = Noting()
    training = Training(model, X, Y, replace(RECIPE, dtype=dtype), seed=0, device=CPU)
    model.seen.clear()
    with SILENT.task("training") as task:
        while not training.done:
            training.run_epoch(task)
            predict_logits(model, X, device=CPU)
            assert settings() == users
    assert {(True, (expected,) * 3), (False, ("ieee",) * 3)} == model.seen
