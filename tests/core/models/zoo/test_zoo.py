"""The networks of the zoo, and those of the user's code."""

import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import ImageData
from dlcli.core.model_io.untrained import find_model, open_model
from dlcli.core.models import MODELS
from dlcli.core.training.loop import train
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT


def _of_images(name):
    """Whether it gives logits for an image; networks of sequences and of masks have tests of their own."""
    module = MODELS.module(name)
    return getattr(module, "TAKES", "images") == "images" and not getattr(module, "MASKS", False)


NAMES = tuple(filter(_of_images, MODELS.names()))


def _data(channels=1, size=(8, 8), classes=10):
    x, y = torch.rand(4, channels, *size), torch.arange(4) % classes
    return ImageData(x, y, x, y, tuple(map(str, range(classes))), "made up")


def _count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_registry_lists_every_network():
    own = "besnet18 besnet50 bn cifar-resnet digits-net lenet looks-linear mlp mnist-net plain resnet"
    assert NAMES == (*own.split(), "tiny-darknet", "tiny-darknet-elu")
    assert "unet" in MODELS.names()


@pytest.mark.parametrize(("size", "name"), [((8, 8), "digits-net"), ((28, 28), "mnist-net")])
def test_the_default_network_depends_on_the_image_size(size, name):
    assert open_model(None, _data(size=size)).name == name


def test_other_sizes_have_no_default_network():
    with pytest.raises(UsageError, match="^`model`: .* 32x30") as caught:
        open_model(None, _data(size=(32, 30)))
    assert "lenet" in caught.value.hint


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("channels", "size", "classes"), [(1, (28, 28), 10), (3, (32, 40), 2), (1, (29, 31), 7), (4, (28, 64), 5)]
)
def test_every_network_gives_logits_for_every_shape(name, channels, size, classes):
    data = _data(channels, size, classes)
    model = open_model(name, data).build().eval()
    logits = model(data.x_train)
    assert logits.shape == (4, classes)
    for probabilities in (logits, logits.exp()):  # neither softmax nor log-softmax has been taken
        assert not torch.allclose(probabilities.sum(1), torch.ones(4))


@pytest.mark.parametrize("name", NAMES)
def test_every_network_runs_on_the_device_it_is_moved_to(name):
    """On meta, any tensor that forward makes on the CPU by mistake would clash."""
    model = open_model(name, _data(size=(28, 28))).build().to("meta")
    assert model(torch.zeros(2, 1, 28, 28, device="meta")).device.type == "meta"


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_size_works_and_one_pixel_less_is_an_error(name):
    side = MODELS.module(name).SMALLEST
    data = _data(size=(side, side))
    assert open_model(name, data).build().eval()(data.x_train).shape == (4, 10)
    if side == 1:
        return
    with pytest.raises(InputError, match=f"{name} needs images of at least {side}x{side}; these are {side - 1}x{side}"):
        open_model(name, _data(size=(side - 1, side)))


def test_mnist_net_has_the_layers_of_the_study():
    model = open_model("mnist-net", _data(size=(28, 28))).build()
    convolutions = [m for m in model if isinstance(m, nn.Conv2d)]
    assert [(m.out_channels, m.kernel_size[0], m.stride[0], m.padding[0]) for m in convolutions] == [
        (64, 8, 2, 3),
        (128, 6, 2, 0),
        (128, 5, 1, 0),
    ]
    assert [m.p for m in model if isinstance(m, nn.Dropout)] == [0.2, 0.5]
    assert isinstance(model[0], nn.Dropout)
    weights = [64 * 8 * 8 + 64, 128 * 64 * 6 * 6 + 128, 128 * 128 * 5 * 5 + 128, 128 * 10 + 10]
    assert _count(model) == sum(weights)


def test_lenet_has_the_parameter_counts_of_lenet_5():
    # The 1998 paper's layers on 28x28 padded to 32x32, with C3 fully connected: 156 + 2416 + 48120 + 10164 + 850.
    assert _count(open_model("lenet", _data(size=(28, 28))).build()) == 61_706


def test_initial_weights_are_drawn_from_the_global_generator():
    architecture = open_model("lenet", _data(size=(28, 28)))
    with preserved():
        built = []
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            built.append(nn.utils.parameters_to_vector(architecture.build().parameters()))
    assert torch.equal(built[0], built[1])
    assert not torch.equal(built[0], built[2])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "besnet50"])
def test_every_recipe_trains_its_network(name):
    """Four kinds of bars are learned by any network that trains at all, in few steps: running statistics are made to catch up.

    besnet50 is skipped: its recipe and code are besnet18's, and it takes long.
    """
    data = _data(size=(28, 28), classes=4)
    x, y = torch.zeros(32, 1, 28, 28), torch.arange(32) % 4
    for kind, window in enumerate([(slice(0, 14), slice(None)), (slice(14, 28), slice(None)), (slice(None), slice(0, 14))]):
        x[y == kind, 0, window[0], window[1]] = 0.8
    x += 0.2 * torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
    architecture = open_model(name, data)
    with preserved():
        torch.manual_seed(0)
        model = architecture.build()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
    recipe = replace(architecture.recipe, epochs=4 if name == "besnet18" else 12, batch_size=16)
    with SILENT.task("") as task:
        train(model, x, y, recipe, seed=0, device=torch.device("cpu"), task=task)
    right = (predict_logits(model, x, device=torch.device("cpu")).argmax(1) == y).float().mean()
    assert right > 0.95


def test_an_unknown_name_is_a_usage_error():
    with pytest.raises(UsageError, match="no model is called 'lenett'") as caught:
        open_model("lenett", _data())
    assert "lenet" in caught.value.hint


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write modules into an empty current folder, forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)

    def make(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text("from torch import nn\n" + text)

    yield make
    for name in set(sys.modules) - before:
        if name.startswith(("my_", "_dlcli_model_")):
            del sys.modules[name]


_NET = "def net(classes, *, size, channels=9, depth=2):\n    return nn.Linear(channels * size[0], classes)\n"


@pytest.mark.parametrize("spec", ["my_nets.py:net", "my_nets:net"])
def test_a_user_callable_receives_the_arguments_in_its_signature(write, spec):
    write(my_nets=_NET)
    architecture = find_model(spec, _data(3, (8, 9), 5))
    assert architecture.name == spec
    assert (architecture.build().in_features, architecture.build().out_features) == (24, 5)


@pytest.mark.parametrize(
    ("signature", "expected"),
    [("", {}), ("classes=0, size=0", {"classes", "size"}), ("**others", {}), ("classes=0, /, size=0", {"size"}), ("n=3", {})],
)
def test_only_named_parameters_are_passed(write, signature, expected):
    body = "    net.seen = {k for k, v in locals().items() if v not in (0, 3, {})}\n    return nn.Identity()\n"
    write(my_nets=f"def net({signature}):\n{body}")
    model = find_model("my_nets.py:net", _data())
    model.build()
    assert model.build.args[1].seen == set(expected)


def test_a_class_is_accepted_as_a_callable(write):
    write(my_nets="class Net(nn.Linear):\n    def __init__(self, classes):\n        super().__init__(4, classes)\n")
    assert find_model("my_nets:Net", _data(classes=6)).build().out_features == 6


def test_a_function_with_kwargs_is_called_without_arguments():
    assert isinstance(find_model("torch.nn:Identity", _data()).build(), nn.Identity)


def test_user_code_can_import_a_neighbouring_file_and_sys_path_is_restored(write, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    write(
        **{
            "elsewhere/my_blocks": "WIDTH = 7\n",
            "elsewhere/my_nets": "from my_blocks import WIDTH\ndef net(): return nn.Linear(1, WIDTH)\n",
        }
    )
    before = list(sys.path)
    assert find_model(f"{folder}/my_nets.py:net", _data()).build().out_features == 7
    assert sys.path == before


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("absent.py:net", InputError, "absent.py: there is no such file"),
        ("my_absent:net", UsageError, "cannot import my_absent: ModuleNotFoundError"),
        ("my_nets.py:nett", UsageError, "my_nets.py has no callable 'nett'"),
        ("my_nets.py:", UsageError, "has no callable ''"),
        ("my_nets.py", UsageError, "my_nets.py needs the name of a callable in it"),
        ("my_broken.py:net", InputError, "importing my_broken.py failed: ZeroDivisionError: division by zero"),
        ("my_broken:net", InputError, "importing my_broken failed: ZeroDivisionError"),
        ("my_syntax.py:net", InputError, "importing my_syntax.py failed: SyntaxError"),
    ],
)
def test_specs_that_do_not_resolve_are_errors(write, spec, kind, message):
    write(my_nets=_NET, my_broken="1 / 0\n", my_syntax="def net(:\n")
    with pytest.raises(kind, match=message) as caught:
        find_model(spec, _data())
    assert "\n" not in caught.value.message


def test_the_hint_lists_the_callables_of_the_file(write):
    write(my_nets=_NET)
    with pytest.raises(UsageError) as caught:
        find_model("my_nets.py:nett", _data())
    assert caught.value.hint == "it has: net"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 3", "returned int, not a torch.nn.Module"),
        ("raise KeyError('depth')", "calling my_nets.py:net failed: KeyError"),
    ],
)
def test_a_callable_that_returns_no_module_is_an_error(write, body, message):
    write(my_nets=f"def net():\n    {body}\n")
    with pytest.raises(InputError, match=message):
        find_model("my_nets.py:net", _data()).build()


def test_a_required_argument_of_another_name_is_an_error(write):
    write(my_nets="def net(depth): return nn.Identity()\n")
    with pytest.raises(InputError, match="missing 1 required positional argument: 'depth'"):
        find_model("my_nets.py:net", _data()).build()


@pytest.mark.parametrize("style", ["from my_blocks import block", "import my_blocks", "import my_middle"])
def test_the_source_digest_follows_the_users_imports(write, style):
    digests = set()
    for width in (3, 4, 3):
        for name in ("my_nets", "my_blocks", "my_middle"):
            sys.modules.pop(name, None)
        blocks = f"def block(): return nn.Linear(1, {'1' * width})\n"
        write(my_blocks=blocks, my_middle="import my_blocks\n", my_nets=f"{style}\ndef net(): return 0\n")
        digests.add(find_model("my_nets.py:net", _data()).source_sha256)
    assert len(digests) == 2


def test_zoo_networks_have_different_digests():
    assert len({find_model(name, _data(size=(28, 28))).source_sha256 for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("nn.Linear(3, 2)", "my_nets.py:net: the model fails on images of shape 1x8x8"),
        ("nn.Sequential(nn.Flatten(), nn.Linear(64, 9))", "my_nets.py:net: the model has 9 outputs, but labels go up to 9"),
        ("nn.Identity()", "my_nets.py:net: the model returns 2x1x8x8"),
    ],
)
def test_opening_a_network_that_does_not_fit_the_data_is_an_error(write, body, message):
    write(my_nets=f"def net(): return {body}\n")
    with pytest.raises(InputError, match=message):
        open_model("my_nets.py:net", _data(classes=10, size=(8, 8)))


def test_opening_keeps_the_random_state():
    data = _data()
    before = torch.get_rng_state()
    open_model(None, data)
    assert torch.equal(torch.get_rng_state(), before)
