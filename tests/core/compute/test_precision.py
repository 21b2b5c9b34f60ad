"""Float32 in full or as TF32, whatever the user set, and float64 on a device that has none."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from dlcli.core.compute.precision import float32_precision, float64_device, to_float64
from tests.fake_device import FAKE, FakeTensor


def test_the_fake_device_computes_refuses_float64_and_refuses_to_mix(no_float64):
    x = torch.arange(6.0).reshape(2, 3).to(no_float64)
    assert type(x) is FakeTensor and x.device == FAKE and x.cpu().tolist() == [[0, 1, 2], [3, 4, 5]]
    weights = torch.ones(3, device=no_float64, requires_grad=True)
    (x @ weights).sum().backward()
    assert weights.grad.device == FAKE and weights.grad.cpu().tolist() == [3, 5, 7]
    with pytest.raises(TypeError, match="float64"):
        x.double()
    with pytest.raises(TypeError, match="float64"):
        torch.zeros(2, dtype=torch.float64).to(no_float64)
    with pytest.raises(RuntimeError, match="same device"):
        x + torch.ones(2, 3)
    assert (x * torch.tensor(2.0))[torch.tensor([True, False])].cpu().tolist() == [[0, 2, 4]]


def test_float64_is_on_the_cpu_where_the_device_has_none(no_float64):
    x = torch.tensor([0.1, 1 / 3]).to(no_float64).requires_grad_()
    found = to_float64(x)
    assert found.device.type == "cpu" and found.tolist() == x.detach().cpu().double().tolist()
    found.square().sum().backward()
    assert x.grad.device == FAKE and torch.allclose(x.grad.cpu(), 2 * x.detach().cpu())


def test_float64_stays_on_a_device_that_has_it():
    x = torch.tensor([0.1, 1 / 3])
    assert torch.equal(to_float64(x), x.double())
    exact = x.double()
    assert to_float64(exact) is exact
    assert to_float64(torch.zeros(2, device="meta")).device.type == "meta"


def test_apples_gpus_are_the_ones_without():
    assert float64_device(torch.device("mps")) == torch.device("cpu")
    for name in ("cpu", "cuda", "cuda:1"):
        assert float64_device(torch.device(name)) == torch.device(name)


backends: Any = torch.backends
GPU = (backends.cudnn.conv, backends.cudnn.rnn, backends.cuda.matmul)
CPU = (backends.mkldnn.conv, backends.mkldnn.rnn, backends.mkldnn.matmul)
PARENTS = (("generic", "all"), ("cuda", "all"), ("mkldnn", "all"))


def write(*changes: tuple[Any, str, Any]) -> Callable[[], None]:
    return lambda: [setattr(where, name, value) for where, name, value in changes] and None


NEW = "fp32_precision"
OF_THE_USER = {
    "nothing": write(),
    "old: no TF32 in cuDNN": write((backends.cudnn, "allow_tf32", False)),
    "old: TF32 in products": write((backends.cuda.matmul, "allow_tf32", True)),
    "old: TF32 nowhere": write((backends.cudnn, "allow_tf32", False), (backends.cuda.matmul, "allow_tf32", False)),
    "old: high": lambda: torch.set_float32_matmul_precision("high"),
    "old: medium": lambda: torch.set_float32_matmul_precision("medium"),
    "old: highest": lambda: torch.set_float32_matmul_precision("highest"),
    "new: conv ieee": write((GPU[0], NEW, "ieee")),
    "new: conv and rnn ieee": write((GPU[0], NEW, "ieee"), (GPU[1], NEW, "ieee")),
    "new: all tf32": write(*[(node, NEW, "tf32") for node in GPU]),
    "new: general tf32": write((backends, NEW, "tf32")),
    "new: general ieee": write((backends, NEW, "ieee")),
    "new: general bf16": write((backends, NEW, "bf16")),
    "new: cuDNN ieee, inherited": write((backends.cudnn, NEW, "ieee"), *[(node, NEW, "none") for node in GPU]),
    "new: bf16 on the CPU": lambda: set_parent(PARENTS[2], "bf16"),
    "new: bf16 in CPU products, tf32 beside": lambda: (setattr(CPU[2], NEW, "bf16"), set_parent(PARENTS[2], "tf32")),
    "mixed: old off, new on": write((backends.cudnn, "allow_tf32", False), (GPU[0], NEW, "tf32"), (GPU[2], NEW, "tf32")),
    "mixed: medium, then ieee": lambda: (
        torch.set_float32_matmul_precision("medium"),
        setattr(GPU[2], NEW, "ieee"),
        setattr(CPU[2], NEW, "ieee"),
    ),
}


def set_parent(parent: tuple[str, str], value: str) -> None:
    torch._C._set_fp32_precision_setter(*parent, value)  # what the attributes call, but for one that writes elsewhere


def defaults() -> None:
    for parent in PARENTS:
        set_parent(parent, "none")
    torch.set_float32_matmul_precision("highest")
    backends.cudnn.allow_tf32 = True
    for node in (GPU[2], *CPU):
        node.fp32_precision = "none"


@pytest.fixture(params=OF_THE_USER, ids=lambda name: name.replace(" ", "-"))
def before(request):
    """All that can be read with these settings, which are set."""
    defaults()  # torch 2.14 does not know them from its own before the first change, and from then on takes them as set
    OF_THE_USER[request.param]()
    found = everything()
    defaults()
    OF_THE_USER[request.param]()
    yield found
    defaults()


def resolved(nodes=(*GPU, *CPU)) -> list[str]:
    return [node.fp32_precision for node in nodes]


def older() -> list[object]:
    """What the older interface answers, or that it refuses to."""

    def ask(read: Callable[[], object]) -> object:
        try:
            return read()
        except RuntimeError:
            return "refused"

    return [
        ask(lambda: backends.cudnn.allow_tf32),
        ask(lambda: backends.cuda.matmul.allow_tf32),
        ask(torch.get_float32_matmul_precision),
    ]


def everything() -> list[object]:
    """All that can be read, also once the general settings are others: what was inherited must follow them. Changes them."""
    found: list[object] = [resolved(), older()]
    for parent in PARENTS:
        for value in ("tf32", "ieee"):
            found += [torch._C._get_fp32_precision_getter(*parent)]
            set_parent(parent, value)
            found += [resolved(), older()]
    return found


def test_inside_float32_is_full_and_outside_it_is_as_the_user_set_it(before):
    with float32_precision("ieee"):
        assert resolved() == ["ieee"] * 6
        assert older() == [False, False, "highest"]
    assert everything() == before


def test_inside_tf32_gpus_may_round_and_a_cpu_computes_as_the_user_set_it(before):
    cpu = resolved(CPU)
    with float32_precision("tf32"):
        assert resolved(GPU) == ["tf32"] * 3
        assert resolved(CPU) == cpu
        assert older()[:2] == [True, True]
    assert everything() == before


@pytest.mark.parametrize("precision", ["ieee", "tf32"])
def test_an_error_inside_restores_it_too(before, precision):
    with pytest.raises(KeyError), float32_precision(precision):
        raise KeyError
    assert everything() == before


def test_blocks_nest(before):
    with float32_precision("tf32"):
        training = resolved(), older()
        with float32_precision("ieee"):
            with float32_precision("ieee"):
                assert resolved() == ["ieee"] * 6
            with float32_precision("tf32"):
                assert resolved(GPU) == ["tf32"] * 3
            assert resolved() == ["ieee"] * 6
        assert (resolved(), older()) == training
    assert everything() == before


def test_networks_may_set_cudnn_flags_inside(before):
    with float32_precision("ieee"):
        with backends.cudnn.flags(enabled=False, allow_tf32=False):
            assert resolved() == ["ieee"] * 6
        with backends.cudnn.flags(enabled=False):
            pass
        assert resolved() == ["ieee"] * 6
    assert everything() == before


def test_it_holds_inside_cudnn_flags():
    with backends.cudnn.flags(enabled=True, deterministic=True):
        assert resolved(GPU[:2]) == ["tf32"] * 2
        with float32_precision("ieee"):
            assert resolved() == ["ieee"] * 6
        assert resolved(GPU[:2]) == ["tf32"] * 2


def test_on_a_cpu_it_changes_no_bit():
    x, w = torch.randn(2, 3, 16, 16), torch.randn(8, 3, 3, 3)
    expected = torch.nn.functional.conv2d(x, w), x.flatten(1) @ x.flatten(1).T
    for precision in ("ieee", "tf32"):
        with float32_precision(precision):
            found = torch.nn.functional.conv2d(x, w), x.flatten(1) @ x.flatten(1).T
        assert all(map(torch.equal, found, expected))
