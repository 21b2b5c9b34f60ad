"""Surgery on networks of timm: activations inside fused normalisation, of its own classes, and by function calls."""

import pytest
import torch
from torch.overrides import TorchFunctionMode

from dlcli.core.surgery import apply_surgery
from dlcli.support.errors import InputError

timm = pytest.importorskip("timm")
POINTWISE = {
    "relu",
    "relu_",
    "relu6",
    "leaky_relu",
    "leaky_relu_",
    "gelu",
    "silu",
    "silu_",
    "hardswish",
    "hardswish_",
    "mish",
    "hardtanh",
    "hardtanh_",
}
SMALL = ("byobnet", "coatnet", "convnext", "efficientnet", "efficientnet_gn", "mambaout", "maxvit", "nfnet", "resnet", "vit")
LARGER = ("mobilenetv3_small_050", "levit_128s", "rexnet_100", "tresnet_m", "hrnet_w18_small", "resnetv2_50", "fastvit_t8")
NETWORKS = [
    *(pytest.param(f"test_{name}", marks=[] if name in SMALL[:5] else pytest.mark.slow) for name in SMALL),
    *(pytest.param(name, marks=pytest.mark.slow) for name in LARGER),
]


class Called(TorchFunctionMode):
    """The names of all functions that are called, with repeats."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.names.append(getattr(func, "__name__", ""))
        return func(*args, **(kwargs or {}))


def build(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        try:
            return timm.create_model(name, num_classes=3, img_size=64).eval()
        except TypeError:
            return timm.create_model(name, num_classes=3).eval()


def called(model, x):
    with Called() as found, torch.no_grad():
        model(x)
    return found.names


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("surgery", ["elu", "selu"])
def test_no_other_pointwise_activation_is_called_afterwards(name, surgery):
    model, x = build(name), torch.rand(2, 3, 64, 64)
    before = [one for one in called(model, x) if one in POINTWISE]
    try:
        done = apply_surgery(model, [surgery], x)[0]
    except InputError as error:
        assert surgery == "selu" and "surgery=elu" in error.hint  # attention whose weights have no fan-in
        return
    after = called(done, x)
    assert before and not [one for one in after if one in POINTWISE]
    assert after.count("elu") + after.count("elu_") + after.count("selu") + after.count("selu_") == len(before)
    assert surgery == "elu" or not [module for module in done.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    done.train()(x).square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in done.parameters() if p.grad is not None)


def test_a_fused_batch_normalisation_keeps_its_activation():
    """Without its scale, an activation after the normalisation is the activation of what comes in."""
    fused = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), timm.layers.BatchNormAct2d(4), torch.nn.Flatten(), torch.nn.Linear(144, 2)
    )
    x = torch.rand(2, 3, 8, 8)
    done = apply_surgery(fused.eval(), ["no-batchnorm"], x)[0]
    torch.testing.assert_close(done[:2](x), fused[0](x).relu())


def test_a_batch_normalisation_that_does_something_else_is_refused():
    class Doubled(torch.nn.BatchNorm2d):
        def forward(self, x):
            return 2 * super().forward(x)

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), Doubled(4))
    with pytest.raises(InputError, match="Doubled does more than to normalise"):
        apply_surgery(model.eval(), ["no-batchnorm"], torch.rand(2, 3, 8, 8))


@pytest.mark.parametrize("name", NETWORKS)
def test_erasing_calls_fewer_activations_and_nothing_else_changes(name):
    model, x = build(name), torch.rand(2, 3, 64, 64)
    before = called(model, x)
    after = called(apply_surgery(model, ["erase-relu"], x)[0], x)
    rest = [[one for one in names if one not in POINTWISE] for names in (before, after)]
    counts = [sum(one in POINTWISE for one in names) for names in (before, after)]
    assert counts[1] < counts[0]
    assert [one for one in rest[1] if one in ("conv2d", "linear", "batch_norm")] == [
        one for one in rest[0] if one in ("conv2d", "linear", "batch_norm")
    ]
