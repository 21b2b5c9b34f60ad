"""The temporal convolution beside torch's Conv3d, and what is drawn in training."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint

from dlcli.core.layers.temporal import FrameCount, TemporalConv


def _layer(conv, taps, frames, **settings):
    frame_count = FrameCount()
    frame_count.frames = frames
    weight = torch.randn(*conv.weight.shape[:2], taps, *conv.weight.shape[2:], dtype=conv.weight.dtype)
    return TemporalConv(conv, weight, frame_count, **settings)


def _twin(layer, clips, dilation):
    """The same by Conv3d over padded clips (n, c, t, h, w), for one dilation."""
    (dh, dw), (ph, pw) = layer.dilation, layer.padding
    before, after = layer.taps // 2 * dilation, (layer.taps - 1 - layer.taps // 2) * dilation
    mode = "replicate" if layer.ends == "replicate" else "constant"
    padded = F.pad(F.pad(clips, (0, 0, 0, 0, before, after), mode), (pw, pw, ph, ph))
    both = (1, *layer.stride), (dilation, dh, dw)
    summed = F.conv3d(padded, layer.weight, None, both[0], 0, both[1], layer.groups)
    if layer.ends == "renorm":
        ones = F.pad(torch.ones(1, 1, clips.shape[2], dtype=clips.dtype), (before, after))
        inside = F.conv1d(ones, torch.ones(1, 1, layer.taps, dtype=clips.dtype), dilation=dilation)
        summed = summed * layer.taps / inside[0, 0][:, None, None]
    return summed if layer.bias is None else summed + layer.bias[:, None, None, None]


def _frames(clips):
    return clips.transpose(1, 2).flatten(0, 1)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["replicate", "zeros", "renorm"]),
    st.sampled_from([(1, 2, 3), (1, 3, 2), (2, 4, 6), (3, 3, 6), (2, 6, 4)]),
    st.integers(1, 4),
    st.integers(1, 9),
    st.sampled_from([(1,), (2,), (1, 2), (1, 3, 4)]),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2)),
    st.booleans(),
)
def test_it_is_conv3d(ends, channels, taps, frames, dilations, space, bias):
    torch.manual_seed(0)
    (groups, into, out), (kh, kw, stride, padding, dilation) = channels, space
    conv = nn.Conv2d(into, out, (kh, kw), stride, padding, dilation, groups, bias, dtype=torch.float64)
    layer = _layer(conv, taps, frames, ends=ends, dilations=dilations).eval()
    clips = torch.randn(2, into, frames, 7, 6, dtype=torch.float64, requires_grad=True)
    wanted = torch.stack([_twin(layer, clips, d) for d in dilations]).mean(0)
    found = layer(_frames(clips))
    assert torch.allclose(found, _frames(wanted), rtol=0, atol=1e-12)
    leaves = [clips, *layer.parameters()]
    pull = torch.randn_like(found)
    for mine, theirs in zip(
        torch.autograd.grad(found, leaves, pull), torch.autograd.grad(_frames(wanted), leaves, pull), strict=True
    ):
        assert torch.allclose(mine, theirs, rtol=0, atol=1e-10)
    if ends != "renorm":
        assert torch.allclose(layer.fuse()(_frames(clips)), found, rtol=0, atol=1e-12)


def test_renormalised_ends_are_not_fused():
    with pytest.raises(ValueError, match="no one kernel"):
        _layer(nn.Conv2d(2, 2, 1), 3, 4, ends="renorm", dilations=(1, 2)).fuse()


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_of_space_is_that_of_the_layer(mode):
    conv = nn.Conv2d(3, 4, 3, padding=1, padding_mode=mode, dtype=torch.float64)
    layer = TemporalConv(conv, conv.weight.detach().unsqueeze(2), FrameCount())
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    assert torch.equal(layer(x), conv(x))


def test_in_training_one_dilation_is_drawn_a_batch_and_recomputing_repeats_it():
    layer, seen = _layer(nn.Conv2d(2, 2, 1), 3, 6, dilations=(1, 2, 3)).train(), set()
    x = torch.randn(12, 2, 4, 4, requires_grad=True)
    alone = [_layer(nn.Conv2d(2, 2, 1), 3, 6, dilations=(d,)) for d in (1, 2, 3)]
    for one in alone:
        one.load_state_dict(layer.state_dict())
    for seed in range(20):
        torch.manual_seed(seed)
        plain = layer(x)
        (gradient,) = torch.autograd.grad(plain.square().sum(), x)
        torch.manual_seed(seed)
        again = checkpoint(layer, x, use_reentrant=False)
        assert torch.equal(plain, again)
        assert torch.equal(torch.autograd.grad(again.square().sum(), x)[0], gradient)
        which = [k for k, one in enumerate(alone) if torch.equal(one(x), plain)]
        assert len(which) == 1
        seen.update(which)
    assert seen == {0, 1, 2}


def test_it_may_lie_in_the_memory_format_of_images_and_keeps_type_and_hooks():
    conv = nn.Conv2d(4, 6, 3, padding=1, dtype=torch.bfloat16)
    calls = []
    conv.register_forward_hook(lambda *_: calls.append(1))
    layer = _layer(conv, 3, 2)
    x = torch.randn(4, 4, 5, 5, dtype=torch.bfloat16)
    before = layer(x)
    layer.to(memory_format=torch.channels_last)
    assert layer.weight.shape == (6, 4, 3, 3, 3) and layer.weight.dtype == torch.bfloat16
    assert torch.allclose(layer(x), before, atol=0.1) and len(calls) == 2


@pytest.mark.parametrize("channels", [(3, 5), (5, 3)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_layout_and_type_are_those_of_a_convolution_of_images(channels, layout):
    conv = nn.Conv2d(*channels, 1).to(memory_format=layout)
    layer = _layer(conv, 3, 4, dilations=(1, 2)).to(memory_format=layout)
    x = torch.randn(8, channels[0], 6, 6).contiguous(memory_format=layout)
    assert layer(x).is_contiguous(memory_format=layout) == conv(x).is_contiguous(memory_format=layout)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x).dtype == conv(x).dtype == torch.bfloat16
