"""Networks that look ahead are found and the layer is named; others are proven, with the field that their layers give."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from dlcli.core.evaluation.causality import prove_causal
from dlcli.core.layers.on_sequences import OnSequences
from dlcli.core.models.causal_stacks import Gru, Tcn, WaveNet
from dlcli.support.errors import InputError

X = torch.randn(1, 2, 40, generator=torch.Generator().manual_seed(0))


class Stack(nn.Module):
    """Two convolutions of kernel 3, the second padded on the left and on the right as given, then cut to the steps of x."""

    def __init__(self, left: int, right: int, *, pooled: bool = False) -> None:
        super().__init__()
        self.sides, self.pooled = (left, right), pooled
        self.good, self.suspect = nn.Conv1d(2, 4, 3), nn.Conv1d(4, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.good(pad(x, (2, 0))))
        found = self.suspect(pad(hidden, self.sides))[:, :, : x.shape[2]]
        return found.mean(2) if self.pooled else found


class Backwards(nn.Module):
    """A recurrent network in both directions, steps first, as torch has it by default."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(2, 4, bidirectional=True), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.rnn(x.permute(2, 0, 1))[0]).permute(1, 2, 0)
        return found


class Attention(nn.Module):
    """Attention with or without a mask of later steps."""

    def __init__(self, *, masked: bool) -> None:
        super().__init__()
        self.inner, self.masked = nn.MultiheadAttention(2, 1, batch_first=True), masked

    def forward(self, x: Tensor) -> Tensor:
        steps = x.transpose(1, 2)
        mask = torch.triu(torch.ones(x.shape[2], x.shape[2], dtype=torch.bool), 1) if self.masked else None
        found: Tensor = self.inner(steps, steps, steps, attn_mask=mask)[0].transpose(1, 2)
        return found


def prove(model: nn.Module, x: Tensor = X) -> object:
    torch.manual_seed(0)
    return prove_causal(OnSequences(model), x, seed=1)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: Tcn(2, 3, 3, 8), 29),
        (lambda: Tcn(2, 3, 3, 8, dilated=False), 13),
        (lambda: WaveNet(2, 3, 4, 8), 17),
        (lambda: Tcn(2, 3, 6, 16), 253),  # longer than the sequence, which is repeated
        (lambda: Gru(2, 3, 1, 8), None),
        (lambda: Stack(2, 0), 5),
        (lambda: Stack(4, 0), 7),
    ],
)
def test_causal_networks_and_their_fields(build, field) -> None:
    torch.manual_seed(0)
    found = prove(build())
    assert found.leak == 0.0 and found.after > 0 and found.layer == "" and found.by_step
    assert found.field == field


def test_a_shift_counts_as_the_field_from_the_layers_does() -> None:
    assert prove(Tcn(2, 3, 2, 4)).theory == prove(Tcn(2, 3, 2, 4)).field == 13


@pytest.mark.parametrize(
    ("build", "layer", "kind"),
    [
        (lambda: Stack(1, 1), "suspect", "Conv1d"),
        (lambda: Stack(0, 2), "suspect", "Conv1d"),
        (lambda: Stack(1, 1, pooled=True), "suspect", "Conv1d"),
        (lambda: nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv1d(4, 3, 1)), "0", "Conv1d"),
        (Backwards, "rnn", "GRU"),
        (lambda: Attention(masked=False), "inner", "MultiheadAttention"),
    ],
)
def test_networks_that_look_ahead(build, layer: str, kind: str) -> None:
    torch.manual_seed(0)
    found = prove(build())
    assert found.leak > 0 and (found.layer, found.kind) == (layer, kind)


def test_attention_with_a_mask_is_causal() -> None:
    torch.manual_seed(0)
    found = prove(Attention(masked=True))
    assert found.leak == 0.0 and found.field is None


def test_the_network_is_left_as_it_was() -> None:
    model = Tcn(2, 3, 2, 4).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prove(model)
    assert model.training and next(model.parameters()).dtype == torch.float32
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_nothing_to_prove() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(80, 3)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.head(x.flatten(1))
            return found

    with pytest.raises(InputError, match="no layer of the network has an output for each step"):
        prove(Flat())
