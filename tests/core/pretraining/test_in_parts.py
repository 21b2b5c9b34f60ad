"""Losses that compare the examples of a batch, of which only a part fits in memory: the gradient is that of the whole batch."""

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.objectives.base import Objective
from dlcli.core.objectives.ranking import Ranking
from dlcli.core.pretraining.siamese import HingeEmbedding
from dlcli.core.pretraining.simclr import CosineContrast
from dlcli.core.pretraining.spatial_contrasting import DistanceContrast
from dlcli.core.pretraining.vicreg import VarianceInvarianceCovariance
from dlcli.core.training.batch_gradients import BatchGradients
from dlcli.core.training.recipe import Recipe

CPU, N = torch.device("cpu"), 11
VIEWED: dict[str, Objective] = {
    "spatial-contrasting": DistanceContrast(),
    "simclr": CosineContrast(0.5),
    "vicreg": VarianceInvarianceCovariance((25.0, 25.0, 1.0)),
}


class Views(nn.Module):
    """Features (n, 2, d) of views (n, 2, 6), through dropout and, if asked, a batch normalisation."""

    def __init__(self, norm: bool, room: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.3), nn.Linear(16, 4))
        self.norm = nn.BatchNorm1d(6) if norm else nn.Identity()
        self.room = room

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.room:
            raise torch.OutOfMemoryError("no memory")
        found: Tensor = self.net(self.norm(x.flatten(0, -2))).view(*x.shape[:-1], -1)
        return found


def stepped(objective: Objective, shape: tuple[int, ...], room: int, norm: bool = False) -> tuple[BatchGradients, Tensor]:
    torch.manual_seed(0)
    net = Views(norm, room).double()
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.arange(len(x)) % 3
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    recipe = Recipe(epochs=1, batch_size=N, optimizer="sgd", lr=1.0)
    made = BatchGradients(net, optimizer, recipe=recipe, dtype=torch.float32, device=CPU, objective=objective)
    made.layout = torch.contiguous_format
    torch.manual_seed(2)
    return made, made.backward(lambda: (x, y), len(x))


def gradients(made: BatchGradients) -> list[Tensor]:
    return [parameter.grad for parameter in made.model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("room", [1, 3, 6])
@pytest.mark.parametrize("method", VIEWED)
def test_views_in_parts_are_compared_with_all_of_the_batch(method: str, room: int):
    """Dropout in the network: the draws of the parts, one after the other, are those of each other call here."""
    torch.manual_seed(0)
    made, loss = stepped(VIEWED[method], (N, 2, 6), room)
    assert made.parts > 1 and torch.isfinite(loss)
    # The same parts, with the loss of all their outputs, differentiated at once.
    net = made.model
    torch.manual_seed(2)
    x = torch.randn((N, 2, 6), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    outputs = torch.cat([net(part) for part in x.tensor_split(min(N, made.parts))]).float()
    expected = VIEWED[method].loss(outputs, torch.arange(N))
    wanted = torch.autograd.grad(expected, list(net.parameters()))
    torch.testing.assert_close(loss, expected.detach())
    for found, one in zip(gradients(made), wanted, strict=True):
        torch.testing.assert_close(found, one, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("objective", [HingeEmbedding("l2", 1.0), Ranking(0.0, 1.0)])
def test_pairs_are_not_cut_apart(objective: Objective):
    """Three of eleven examples fit, so a part ends in the middle of a pair."""
    both = []
    for room in (N, 3):
        made, loss = stepped(objective, (N, 6), room)
        made.model.eval()
        both.append(
            (made.backward(lambda: (torch.ones(N, 6).double() * torch.arange(N)[:, None], torch.arange(N) % 3), N), made)
        )
    (whole, one), (parts, other) = both
    assert other.parts > one.parts == 1
    torch.testing.assert_close(parts, whole)
    for a, b in zip(gradients(one), gradients(other), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_running_statistics_see_each_part_once():
    made, _ = stepped(CosineContrast(0.5), (8, 2, 6), 4, norm=True)
    norm = made.model.norm
    x = torch.randn((8, 2, 6), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = nn.BatchNorm1d(6).double()
    for part in x.tensor_split(2):
        expected(part.flatten(0, 1))
    assert torch.equal(norm.running_mean, expected.running_mean) and int(norm.num_batches_tracked) == 2
