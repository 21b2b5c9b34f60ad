"""Multiply-adds by closed forms."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcli.core.evaluation.multiply_adds import _FLOPS, counting

MATRIX = torch.rand(3, 4)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (lambda: MATRIX @ torch.rand(4), 12),
        (lambda: torch.einsum("ij,j->i", MATRIX, torch.rand(4)), 12),
        (lambda: torch.addmv(torch.rand(3), MATRIX, torch.rand(4)), 12),
        (lambda: torch.dot(MATRIX[0], MATRIX[1]), 4),
        (lambda: nn.Linear(4, 5)(MATRIX[0]), 20),
        (lambda: nn.Linear(4, 1)(MATRIX), 12),
        (lambda: F.conv2d(torch.rand(2, 4, 9, 9), torch.rand(6, 2, 3, 3), groups=2), 2 * 6 * 49 * 2 * 9),
        (lambda: F.conv_transpose2d(torch.rand(1, 3, 5, 5), torch.rand(3, 4, 2, 2), stride=2), 25 * 3 * 4 * 4),
        (lambda: F.scaled_dot_product_attention(*[torch.rand(1, 2, 5, 4)] * 3), 2 * 2 * 5 * 5 * 4),
        (lambda: nn.TransformerEncoderLayer(8, 2, 16).eval()(torch.rand(5, 1, 8)), 4 * 5 * 64 + 2 * 25 * 8 + 2 * 5 * 8 * 16),
        (lambda: nn.LSTM(4, 6, num_layers=2)(torch.rand(7, 3, 4)), 7 * 3 * 4 * 6 * (4 + 6 + 6 + 6)),
        (lambda: nn.GRU(4, 6)(torch.rand(7, 3, 4)), 7 * 3 * 3 * 6 * (4 + 6)),
        (lambda: F.relu(MATRIX) + MATRIX.softmax(1), 0),
    ],
)
def test_closed_forms(run, expected):
    with torch.no_grad(), counting() as total:
        run()
        assert total() == expected


def test_the_layers_of_a_gpu_count_as_those_of_a_cpu():
    weights = [(24, 4), (24, 6), (24,), (24,), (24, 6), (24, 6), (24,), (24,)]
    assert _FLOPS[torch.ops.aten._cudnn_rnn]((7, 3, 4), weights, 4, out_val=None) == 2 * 7 * 3 * 4 * 6 * (4 + 6 + 6 + 6)


def test_settings_are_put_back():
    before = torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(ZeroDivisionError), counting():
        assert not torch.backends.mha.get_fastpath_enabled()
        raise ZeroDivisionError
    assert torch.backends.mha.get_fastpath_enabled() == before
