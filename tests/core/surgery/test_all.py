"""What holds of every surgery on every network: a row an entry."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from dlcli.core.graph.rewire import _FRAMES
from dlcli.core.surgery import SURGERY, apply_surgery, check_surgery
from dlcli.support.errors import InputError, UsageError
from tests.core.surgery.networks import NETWORKS, residual

SPECS = {
    "erase-relu": "shared functional flat auxiliary",
    "erase-relu=0.5": "shared functional flat auxiliary plain",
    "elu": "shared functional flat auxiliary plain",
    "selu": "shared functional flat auxiliary plain",
    "selu:0,4": "shared functional",
    "no-batchnorm": "shared functional auxiliary",
    "init=lecun": "shared flat plain",
    "init=he": "shared flat plain",
    "init=orthogonal": "shared flat plain",
    "residual-scale=0.1": "shared functional flat auxiliary",
    "dilate=1": "shared functional auxiliary",
    "looks-linear": "plain",
    "multi-residual=2": "shared functional auxiliary",
    "effective-paths=3-3": "shared functional auxiliary",
    "fixed-dilation=2": "video",
    "widen=2": "shared functional auxiliary plain video",
    "widen=1.5:0.1": "shared functional auxiliary plain video",
    "deepen": "shared functional flat auxiliary plain video",
    "aspp": "",
    "context": "",
}
"""`aspp` and `context` fit networks for masks only: tests/core/models/test_dense.py."""
CASES = [(spec, name) for spec, names in SPECS.items() for name in names.split()]
ADDED = ("residuals.", "activation.", "second.")
DROPS_NORMS = ("selu", "no-batchnorm")


def test_every_entry_has_a_row():
    assert {spec.partition("=")[0].partition(":")[0] for spec in SPECS} == set(SURGERY.names())


@pytest.mark.parametrize(("spec", "name"), CASES)
def test_the_copy_is_changed_and_the_users_network_untouched(spec, name, sample):
    model = NETWORKS[name]()
    before, hooks = copy.deepcopy(model.state_dict()), [len(m._forward_pre_hooks) for m in model.modules()]
    text, random = str(model), torch.get_rng_state()
    images = torch.rand(4, 1, 8, 8)
    said = model.eval()(images)
    done, notes = apply_surgery(model.train(), [spec], sample)
    assert len(notes) == 1 and notes[0].startswith(f"{spec}: ") and "\n" not in notes[0]
    assert done is not model and not {id(p) for p in model.parameters()} & {id(p) for p in done.parameters()}
    assert str(model) == text and [len(m._forward_pre_hooks) for m in model.modules()] == hooks
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(model.eval()(images), said)
    draws = spec.startswith(("selu", "init", "looks-linear", "multi-residual", "widen"))
    assert draws or torch.equal(torch.rand(1), _next(random))
    assert done.training and not _FRAMES.stack


def _next(state):
    with torch.random.fork_rng():
        torch.set_rng_state(state)
        torch.rand(4, 1, 8, 8)
        return torch.rand(1)


@pytest.mark.parametrize(("spec", "name"), CASES)
def test_keys_types_and_modes_stay(spec, name, sample):
    model = NETWORKS[name]().double()
    model.eval()
    next(m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))).train()
    done, _ = apply_surgery(model, [spec], sample)
    kept = [k for k in model.state_dict() if not (spec.startswith(DROPS_NORMS) and ".bn" in k)]
    own = [key for key in done.state_dict() if not any(f".{part}" in key for part in ADDED)]
    assert [key.replace(".first.", ".") for key in own] == kept
    assert all(p.dtype == torch.float64 for p in done.parameters())
    modes = {path: module.training for path, module in model.named_modules()}
    assert {path: m.training for path, m in done.named_modules() if path in modes} == modes


@pytest.mark.parametrize(("spec", "name"), CASES)
def test_the_copy_trains_is_copied_and_takes_its_own_state(spec, name, sample):
    model = NETWORKS[name]()
    done, _ = apply_surgery(model, [spec], sample)
    images = torch.rand(6, 1, 8, 8)
    loss = done.train()(images).square().sum()
    loss.backward()
    heads = [path for path, p in done.named_parameters() if p.grad is None]
    assert all(path.startswith("aux.") for path in heads)
    twin = copy.deepcopy(done).eval()
    assert torch.equal(twin(images), done.eval()(images))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(1.5)
    twin.load_state_dict(done.state_dict())
    assert torch.equal(twin(images), done(images)) and not _FRAMES.stack


@pytest.mark.parametrize(
    "spec", [spec for spec in SPECS if spec not in ("looks-linear", "fixed-dilation=2", "aspp", "context")]
)
def test_dropout_stays_active_in_training_and_still_in_evaluation(spec, sample):
    done, _ = apply_surgery(residual(), [spec], sample)
    images = torch.rand(4, 1, 8, 8)
    assert not torch.equal(done.train()(images), done(images))
    assert torch.equal(done.eval()(images), done(images))


@pytest.mark.parametrize("spec", ["erase-relu", "elu", "residual-scale=0.1", "multi-residual=2", "effective-paths=3-6"])
def test_a_failure_inside_leaves_nothing_behind(spec, sample):
    done, _ = apply_surgery(residual(), [spec], sample)
    good = torch.rand(2, 1, 8, 8)
    done.eval()
    before = done(good)
    with pytest.raises(RuntimeError):
        done(torch.rand(2, 3, 8, 8))
    with pytest.raises(RuntimeError):
        done[2](torch.rand(2, 3, 8, 8))
    assert not _FRAMES.stack and torch.equal(done(good), before)


@pytest.mark.parametrize("spec", ["widen=2", "widen=1.5:0.1", "deepen"])
def test_what_is_compared_in_float64_works_on_a_device_without_it(spec, sample, no_float64):
    model = NETWORKS["shared"]()
    torch.manual_seed(1)
    here, (note,) = apply_surgery(model, [spec], sample)
    torch.manual_seed(1)
    there, notes = apply_surgery(model.to(no_float64), [spec], sample.to(no_float64))
    assert notes == (note,)
    for one, other in zip(here.state_dict().values(), there.state_dict().values(), strict=True):
        assert other.device == no_float64 and torch.equal(one, other.cpu())


def test_surgeries_follow_each_other(sample):
    """Erased stays erased when what is left becomes ELUs: by hand, from the same weights."""
    model = residual().eval()
    done, notes = apply_surgery(model, ["erase-relu", "elu", "residual-scale=0.5"], sample)
    assert notes[0].startswith("erase-relu: 2 of 7") and notes[1].startswith("elu: 5 ReLUs")
    x = torch.rand(3, 1, 8, 8)
    elu = nn.functional.elu
    h = elu(model[0](x))
    for block in (model[2], model[3]):
        branch = block.conv3(elu(block.conv2(elu(block.bn1(block.conv1(h))))))
        h = 0.5 * branch + (h if block.down is None else block.down(h))
    assert torch.allclose(done(x), model[7](h.mean((2, 3))), atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("erase-rely", "no surgery is called 'erase-rely'"),
        ("erase-relu=0", "'0' is not a number above 0 and up to 1"),
        ("erase-relu=1.1", "'1.1' is not a number"),
        ("erase-relu=nan", "'nan' is not a number"),
        ("elu=1", "elu takes no argument"),
        ("selu:0", "'0' is not MEAN,VARIANCE"),
        ("selu:0,0", "the variance must be above 0"),
        ("selu:3,1", "no scaled ELU has mean 3 and variance 1"),
        ("residual-scale", "'' is not a number above 0"),
        ("residual-scale=inf", "'inf' is not a number above 0"),
        ("dilate=0", "'0' is not a whole number from 1 up"),
        ("multi-residual=1", "'1' is not a whole number from 2 up"),
        ("effective-paths=4", "'4' is not a range LO-HI"),
        ("effective-paths=4-2", "'4-2' is not a range LO-HI"),
        ("fixed-dilation", "'' is not a whole number from 1 up"),
        ("fixed-dilation=0", "'0' is not a whole number from 1 up"),
        ("widen", "'' is not a number above 1 and up to 64"),
        ("widen=1", "'1' is not a number above 1"),
        ("widen=2:-0.1", "'-0.1' is not a noise from 0 up"),
        ("widen=2:", "'' is not a noise from 0 up"),
        ("widen=2:inf", "'inf' is not a noise from 0 up"),
        ("deepen=2", "deepen takes no argument"),
        ("init=xavier", "'xavier' is not an initialisation"),
        ("", "no surgery is called ''"),
    ],
)
def test_wrong_specs_are_usage_errors(spec, message, sample):
    with pytest.raises(UsageError, match=message) as caught:
        check_surgery(spec)
    assert "\n" not in caught.value.message
    with pytest.raises(UsageError, match=message):
        apply_surgery(residual(), ["elu", spec], sample)


@pytest.mark.parametrize(
    ("spec", "model", "message"),
    [
        ("erase-relu", nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), "the network has no ReLU"),
        ("erase-relu", nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU()), "no block ends in a ReLU"),
        ("elu", nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), "the network has no ReLU"),
        ("elu", nn.ReLU(), "the network is a ReLU and nothing else"),
        ("no-batchnorm", nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), "the network has no batch normalisation"),
        ("residual-scale=0.1", nn.Flatten(), "the network has no residual block"),
        ("multi-residual=2", NETWORKS["flat"](), "done by the network itself"),
        ("effective-paths=40-50", residual(), "no choice of whole blocks has 40 to 50 layers"),
        ("dilate", residual(), "no stride exceeds an output stride of 8"),
        ("fixed-dilation=1", residual(), "the network has no layers along time that draw a dilation"),
        ("looks-linear", residual(), "do not make this network linear"),
        ("looks-linear", NETWORKS["plain"](nn.MaxPool2d), "do not make this network linear"),
        ("init=he", nn.Sequential(nn.Flatten(), nn.RNN(64, 5)), "1.weight_ih_l0 is the weight of no convolution"),
        ("widen=2", NETWORKS["flat"](), "they are outputs, are added to the input, or are too few"),
        ("widen=2", nn.Conv2d(3, 3, 1), "the model fails on an image of shape 1x8x8"),
        ("deepen", nn.Flatten(), "the network has no hidden convolution"),
        ("elu", nn.Conv2d(3, 3, 1), "the model fails on an image of shape 1x8x8"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(spec, model, message, sample):
    with pytest.raises((InputError, UsageError), match=message) as caught:
        apply_surgery(model, [spec], sample)
    assert caught.value.message.startswith(f"`surgery={spec}`: ") and "\n" not in caught.value.message


def test_checking_a_name_imports_no_torch():
    code = "import sys; from dlcli.core.surgery import SURGERY; SURGERY.names(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
