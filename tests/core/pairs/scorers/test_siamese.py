"""The Siamese network is the one that is described, by closed forms and counts."""

import numpy as np
import pytest
import torch

from dlcli.core.pairs.architectures import RESIDUALS, RecurrentNet, SiameseNet, WordsNet
from dlcli.core.pairs.scorers.siamese import Siamese
from dlcli.support.errors import UsageError

SHAPE = {"layers": 3, "width": 8, "residual": "before", "dropout": 0.0, "concatenate": True, "cosine": False}


def net(**changed) -> SiameseNet:
    torch.manual_seed(0)
    found = SiameseNet(5, **{**SHAPE, **changed})
    with torch.no_grad():  # statistics and scales that are not 0 and 1
        for norm in [*found.norms, found.last]:
            for value in norm.state_dict().values() if isinstance(norm, torch.nn.BatchNorm1d) else ():
                value.copy_(torch.rand_like(value, dtype=torch.float32) + 0.5)
    return found.eval()


def normalised(norm: torch.nn.BatchNorm1d, x: torch.Tensor) -> torch.Tensor:
    return (x - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias


@pytest.mark.parametrize("residual", RESIDUALS)
@pytest.mark.parametrize("concatenate", [True, False])
@pytest.mark.parametrize("layers", [2, 3])
def test_forward_is_written_out_by_hand(residual: str, concatenate: bool, layers: int):
    found = net(residual=residual, concatenate=concatenate, layers=layers)
    x = torch.randn(4, 5)
    outputs, h = [], x
    for k in range(layers):
        y = h @ found.dense[k].weight.T + found.dense[k].bias
        y = normalised(found.norms[k], y.relu()) if residual == "after" else normalised(found.norms[k], y).relu()
        h = y + h if k > 0 and residual != "none" else y
        outputs.append(h)
    expected = normalised(found.last, torch.cat(outputs, 1)) if concatenate else h
    torch.testing.assert_close(found.embed(x), expected)


def test_the_distance_is_euclidean_and_nothing_between_a_text_and_itself():
    found, a, b = net(), torch.randn(6, 5), torch.randn(6, 5)
    distance = found(a, b, torch.empty(6, 0))
    torch.testing.assert_close(distance, (found.embed(a) - found.embed(b)).square().sum(1).sqrt(), rtol=1e-4, atol=1e-4)
    assert found(a, a, torch.empty(6, 0)).max() < 1e-3
    left, right = (found.embed(x) / found.embed(x).norm(dim=1, keepdim=True) for x in (a, b))
    torch.testing.assert_close(net(cosine=True)(a, b, torch.empty(6, 0)), 1 - (left * right).sum(1))


def test_contrastive_loss_is_equation_4():
    d, y = torch.tensor([0.0, 0.5, 2.0, 0.25, 1.0, 3.0]), torch.tensor([1.0, 1, 1, 0, 0, 0])
    terms = [0, 0.25, 4, 0.75**2, 0, 0]
    assert float(net().loss(d, y)) == pytest.approx(sum(terms) / 6 / 2)


def test_both_texts_have_the_same_weights_and_swapping_them_changes_nothing():
    found, a, b = net(), torch.randn(6, 5), torch.randn(6, 5)
    torch.testing.assert_close(found(a, b, torch.empty(6, 0)), found(b, a, torch.empty(6, 0)))
    sizes = (5 * 8 + 8) + 2 * (8 * 8 + 8) + 3 * 2 * 8 + 2 * 24
    assert sum(parameter.numel() for parameter in found.parameters()) == sizes


def test_settings_out_of_bounds():
    for wrong in ({"residual": "sideways"}, {"layers": 0}, {"dropout": 1.0}):
        with pytest.raises(UsageError):
            Siamese(**wrong)


def test_words_are_a_mean_over_those_that_are_there():
    torch.manual_seed(0)
    found = WordsNet(6, 0, dimensions=3, word_dropout=0.5, dropout=0.0).eval()
    with torch.no_grad():
        found.weights.copy_(torch.randn(6, 1))
    ids = torch.tensor([[2, 3, 0, 0], [4, 4, 5, 0], [0, 0, 0, 0]])
    weight = found.weights.exp()
    by_hand = torch.stack(
        [
            (weight[2] * found.table[2] + weight[3] * found.table[3]) / (weight[2] + weight[3]),
            (2 * weight[4] * found.table[4] + weight[5] * found.table[5]) / (2 * weight[4] + weight[5]),
            torch.zeros(3),
        ]
    )
    torch.testing.assert_close(found.embed(ids), by_hand)


def test_a_recurrent_network_reads_a_text_alike_beside_a_longer_one():
    torch.manual_seed(0)
    found = RecurrentNet(torch.randn(9, 4), 0, hidden=5, channels=6, dropout=0.0).eval()
    short, long = torch.tensor([[2, 3, 4, 0, 0, 0, 0]]), torch.tensor([[5, 6, 7, 8, 2, 3, 4]])
    alone, together = found.embed(short), found.embed(torch.cat([long, short]))[1:]
    np.testing.assert_allclose(alone.detach(), together.detach(), rtol=1e-5, atol=1e-6)
