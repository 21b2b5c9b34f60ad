import pytest
import torch
from torch import nn

from dlcli.core.compute.forward import predict_logits
from dlcli.core.gradients.lesion import lesions
from dlcli.core.layers.mlp_stack import mlp_stack
from dlcli.support.errors import InputError

CPU = torch.device("cpu")
X = torch.rand(40, 1, 3, 3, generator=torch.Generator().manual_seed(0))
Y = torch.randint(3, (40,), generator=torch.Generator().manual_seed(1))


def correct(model):
    return predict_logits(model, X, device=CPU).argmax(1) == Y


def test_a_block_left_out_is_its_shortcut():
    torch.manual_seed(0)
    net = mlp_stack("resnet", 9, 3, 4, width=12)
    found = lesions(net, X, Y, device=CPU)
    assert [one.block for one in found] == ["", "2", "3", "4", "5"]
    assert {one.kind for one in found[1:]} == {"block"}
    assert torch.equal(found[0].correct, correct(net))
    for one in found[1:]:
        kept = [module for name, module in net.named_children() if name != one.block]
        assert torch.equal(one.correct, correct(nn.Sequential(*kept)))
    assert torch.equal(found[0].correct, correct(net))


def test_a_layer_of_a_plain_network_passes_its_input_on():
    torch.manual_seed(0)
    net = mlp_stack("plain", 9, 3, 3, width=12)
    found = lesions(net, X, Y, device=CPU)
    assert [one.block for one in found] == ["", "3", "5"]
    for one in found[1:]:
        kept = [module for name, module in net.named_children() if name != one.block]
        assert torch.equal(one.correct, correct(nn.Sequential(*kept)))
    assert not any(module._forward_hooks for module in net.modules())


def test_a_network_of_which_nothing_can_be_left_out_is_refused():
    with pytest.raises(InputError, match="no block to remove"):
        lesions(nn.Sequential(nn.Flatten(), nn.Linear(9, 3)), X, Y, device=CPU)


def test_each_is_told():
    told = []
    torch.manual_seed(0)
    lesions(mlp_stack("resnet", 9, 3, 4, width=12), X, Y, device=CPU, advance=told.append)
    assert told == [1] * 4
