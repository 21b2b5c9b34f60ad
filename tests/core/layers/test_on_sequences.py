"""Networks of sequences: no answer depends on what it is batched with, none on what comes later, and state is kept."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad
from torch.nn.utils.parametrizations import weight_norm

from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.padding import lengths_of, padded, without_padding
from dlcli.core.layers.causal import CausalConv1d, NormedCausalConv1d, streaming
from dlcli.core.layers.on_sequences import OnSequences
from dlcli.core.models.causal_stacks import Gru, Tcn, WaveNet, tcn_levels, wavenet_levels

CPU = torch.device("cpu")
BUILD = {
    "tcn": lambda: Tcn(2, 3, 3, 8),
    "tcn-plain": lambda: Tcn(2, 3, 3, 8, dilated=False),
    "wavenet": lambda: WaveNet(2, 3, 4, 8),
    "gru": lambda: Gru(2, 3, 1, 8),
}
FIELDS = {"tcn": 29, "tcn-plain": 13, "wavenet": 17}


class BothSides(nn.Module):
    """Padding on both sides, and the mean over all steps: of the user's own kind, which knows no lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 3, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(x).mean(2)
        return found


class ByLengths(nn.Module):
    """The mean over the steps of each sequence, by the lengths that it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 3)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        found: Tensor = self.head(x.sum(2) / lengths[:, None])
        return found


def built(name: str) -> nn.Module:
    torch.manual_seed(1)
    made = {**BUILD, "both sides": BothSides, "by lengths": ByLengths}[name]()
    return OnSequences(made).eval()


def clips(lengths: list[int], seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=(2, steps)).astype(np.float32) for steps in lengths]


@pytest.mark.parametrize("name", [*BUILD, "both sides", "by lengths"])
@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6), more=st.integers(0, 30), seed=st.integers(0, 99))
def test_an_answer_does_not_depend_on_what_it_is_batched_with(name: str, lengths: list[int], more: int, seed: int) -> None:
    model, each = built(name), clips(lengths, seed)
    together = predict_logits(model, padded(each, max(lengths) + more), device=CPU)
    alone = torch.cat([predict_logits(model, torch.from_numpy(one[None]), device=CPU) for one in each])
    assert (together - alone).abs().max() < 1e-6


@pytest.mark.parametrize("name", BUILD)
def test_causal_in_float64(name: str) -> None:
    """Outputs before step 20 do not move at all when every input from step 20 on does, and some after it do."""
    torch.manual_seed(0)
    model, x = BUILD[name]().double().eval(), torch.randn(4, 2, 50, dtype=torch.float64)
    other = torch.cat([x[:, :, :20], torch.randn(4, 2, 30, dtype=torch.float64)], 2)
    moved = (model(x) - model(other)).detach().abs().amax((0, 1))
    assert float(moved[:20].max()) == 0.0 and float(moved[20:].min()) > 0


@pytest.mark.parametrize("name", FIELDS)
def test_fields_by_gradients(name: str) -> None:
    """The last output has a gradient at each input inside the field, summed over networks, and at none before."""
    total = torch.zeros(64)
    for seed in range(8):
        torch.manual_seed(seed)
        x = torch.randn(4, 2, 64, requires_grad=True)
        BUILD[name]()(x)[:, :, -1].sum().backward()
        total += x.grad.abs().sum((0, 1))
    assert (total > 0).tolist() == [k >= 64 - FIELDS[name] for k in range(64)]


@pytest.mark.parametrize("name", BUILD)
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 59), max_size=6))
def test_a_stream_in_parts_equals_the_whole(name: str, cuts: list[int]) -> None:
    torch.manual_seed(0)
    model, x = BUILD[name]().eval(), torch.randn(2, 2, 60)
    ends = [0, *sorted(set(cuts)), 60]
    with torch.no_grad():
        whole = model(x)
        with streaming(model):
            parts = [model(x[:, :, a:b]) for a, b in zip(ends, ends[1:], strict=False)]
        again = model(x)
    assert (torch.cat(parts, 2) - whole).abs().max() < 1e-5
    assert torch.equal(again, whole)  # nothing is remembered afterwards


def test_weight_normalisation_equals_that_of_torch() -> None:
    torch.manual_seed(0)
    ours = NormedCausalConv1d(3, 5, 3, 2)
    theirs = weight_norm(nn.Conv1d(3, 5, 3, dilation=2))
    with torch.no_grad():
        ours.gain.mul_(torch.rand_like(ours.gain) + 0.5)
        theirs.parametrizations.weight.original0.copy_(ours.gain)
        theirs.parametrizations.weight.original1.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)
    x = torch.randn(2, 3, 20)
    torch.testing.assert_close(ours(x), theirs(pad(x, (4, 0))))


def test_a_causal_convolution_by_hand() -> None:
    """Kernel 2, dilation 3: y[t] = w0 x[t - 3] + w1 x[t] + b."""
    conv = CausalConv1d(1, 1, 2, 3)
    x = torch.randn(1, 1, 10)
    w0, w1 = conv.weight[0, 0].tolist()
    expected = [w0 * (x[0, 0, t - 3].item() if t >= 3 else 0) + w1 * x[0, 0, t].item() + conv.bias.item() for t in range(10)]
    np.testing.assert_allclose(conv(x)[0, 0].tolist(), expected, atol=1e-6)
    assert torch.equal(conv(x), conv1d(pad(x, (3, 0)), conv.weight, conv.bias, dilation=3))


def test_one_length_at_a_time_in_training_too() -> None:
    """Gradients of a padded batch are the sum of those of its sequences."""
    model, each = built("both sides").train(), clips([5, 9, 5, 12])
    model(padded(each, 12)).square().sum().backward()
    batch = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    for one in each:
        model(torch.from_numpy(one[None])).square().sum().backward()
    for found, parameter in zip(batch, model.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad, atol=1e-5, rtol=1e-5)


def test_padding_is_cut_and_counted() -> None:
    each = clips([3, 7])
    x, lengths = without_padding(padded(each, 20))
    assert x.shape == (2, 2, 7) and lengths.tolist() == [3, 7] and lengths_of(padded(each, 9)).tolist() == [3, 7]
    assert torch.equal(x[0, :, 3:], torch.zeros(2, 4))


@pytest.mark.parametrize("steps", [1, 5, 64, 1000])
def test_the_field_is_the_longest_that_sequences_fill(steps: int) -> None:
    for levels, field in ((tcn_levels, lambda n: 1 + 4 * (2**n - 1)), (wavenet_levels, lambda n: 2**n + 1)):
        n = levels(steps)
        assert n == 1 or field(n) <= steps
        assert field(n + 1) > steps


def test_the_keys_are_those_of_the_network() -> None:
    model = Tcn(1, 2, 1, 4)
    assert OnSequences(model).state_dict().keys() == model.state_dict().keys()
