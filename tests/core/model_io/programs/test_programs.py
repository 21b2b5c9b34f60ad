"""Programs, ONNX and torch.export, against the networks that they were made of, and against graphs built by hand."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn
from torchvision import models

from dlcli.core.compute.forward import has_gradients, is_opaque, predict_logits
from dlcli.core.ensembles.combine import RuleModel
from dlcli.core.layers.normalise import normalised
from dlcli.core.model_io.input_shape import input_shape
from dlcli.core.model_io.programs import check_program_name, read_program, write_program
from dlcli.support.errors import InputError, UsageError

CPU = torch.device("cpu")
CLASSES = ("ape", "bär", "猫", "dog")
FORMATS = ("onnx", "pt2")


def small() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(16, 4)
    )


class Viewing(nn.Module):
    """Flattens by a view of contiguous tensors."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 2, 3, stride=4), nn.Linear(2 * 4 * 4, 4)

    def forward(self, x):
        x = self.conv(x)
        return self.head(x.view(x.size(0), -1))


class OneByOne(nn.Module):
    """Decides by the batch size, as code that does not expect batches does."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 4)

    def forward(self, x):
        if x.shape[0] == 1:
            return self.head(x.mean((2, 3)))
        return torch.cat([self.head(one[None].mean((2, 3))) for one in x.unbind(0)])


class Clips(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, 4, 3), nn.Linear(4, 4)

    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3, 4)))


NETWORKS = {
    "small": small,
    "normalised": lambda: normalised(small(), "imagenet", 3),
    "view": Viewing,
    "one by one": OneByOne,
    "mean of three": lambda: RuleModel((small(), small(), small()), "mean"),
    "vote of three": lambda: RuleModel((small(), small(), small()), "vote"),
    "clips": Clips,
    "SqueezeNet": lambda: models.squeezenet1_1(num_classes=4),
    "MobileNet": lambda: models.mobilenet_v3_small(num_classes=4),
}


def made(name: str) -> nn.Module:
    """The network with weights, and statistics of batch normalisation, that are not those of a new one."""
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return network


def examples(name: str, n: int) -> torch.Tensor:
    side = 64 if "Net" in name else 16
    return torch.rand(n, 3, *((5, side, side) if name == "clips" else (side, side)), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_program_gives_the_logits_of_its_network_for_any_batch(tmp_path, name, ending):
    path, network = tmp_path / f"n.{ending}", made(name)
    said = write_program(path, network, examples(name, 5), CLASSES, CPU)
    assert ("one example at a time" in said) == (name == "one by one")
    program = read_program(path, CPU)
    assert program.classes == CLASSES and is_opaque(program.model) and has_gradients(program.model) == (ending == "pt2")
    for n in (1, 3, 7):
        x = examples(name, n)
        expected = predict_logits(network, x, device=CPU)
        assert (predict_logits(program.model, x, device=CPU) - expected).abs().max() <= 1e-5 * max(1, expected.abs().max())
    shape = input_shape(str(path))
    assert (shape.video, shape.channels, shape.side) == (name == "clips", 3, examples(name, 1).shape[-1])
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_the_file_is_one_that_onnx_itself_accepts(tmp_path):
    path, network = tmp_path / "n.onnx", made("small")
    write_program(path, network, examples("small", 2), CLASSES, CPU)
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = examples("small", 4)
    assert np.abs(session.run(["logits"], {"images": x.numpy()})[0] - network(x).detach().numpy()).max() < 1e-5
    assert json.loads(session.get_modelmeta().custom_metadata_map["dlcli"]) == {"classes": list(CLASSES)}


def test_a_program_of_torch_export_has_the_gradients_of_its_network(tmp_path):
    path, network = tmp_path / "n.pt2", made("normalised")
    write_program(path, network, examples("small", 2), CLASSES, CPU)
    program = read_program(path, CPU).model
    x = examples("small", 3).requires_grad_()
    ours, theirs = (torch.autograd.grad(one(x)[:, 1].sum(), x)[0] for one in (program, network))
    assert ours.abs().max() > 0 and torch.allclose(ours, theirs, atol=1e-7)


def test_a_gradient_of_onnx_is_refused(tmp_path):
    path = tmp_path / "n.onnx"
    write_program(path, made("small"), examples("small", 2), CLASSES, CPU)
    with pytest.raises(UsageError, match="no gradients"):
        read_program(path, CPU).model(examples("small", 1).requires_grad_())


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda self, x: self.head(nn.functional.dropout(x.mean((2, 3)), training=True)), "other logits|cannot be exported"),
        (lambda self, x: self.head(x.mean((2, 3))) if x.sum() > 0 else x, "cannot be exported"),
        (
            lambda self, x: torch.from_numpy(x.mean((2, 3)).detach().numpy() @ np.ones((3, 4), np.float32)),
            "cannot be exported|other",
        ),
    ],
    ids=["random", "branches", "numpy"],
)
def test_what_cannot_be_exported_leaves_the_file_as_it_was(tmp_path, ending, forward, message):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 4)

        def forward(self, x):
            return forward(self, x)

    path = tmp_path / f"n.{ending}"
    path.write_bytes(b"before")
    with pytest.raises(InputError, match=message):
        write_program(path, Odd().eval(), examples("small", 4), CLASSES, CPU)
    assert path.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1


def test_a_network_that_changes_with_each_call_is_not_exported(tmp_path):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls, self.head = 0, nn.Linear(3, 4)

        def forward(self, x):
            self.calls += 1
            return self.head(x.mean((2, 3))) * self.calls

    with pytest.raises(InputError, match="gives other logits"):
        write_program(tmp_path / "n.pt2", Counting().eval(), examples("small", 4), CLASSES, CPU)
    assert not list(tmp_path.iterdir())


def test_onnx_is_not_exported_again(tmp_path):
    path = tmp_path / "n.onnx"
    write_program(path, made("small"), examples("small", 2), CLASSES, CPU)
    with pytest.raises(InputError, match="cannot be exported again"):
        write_program(tmp_path / "m.pt2", read_program(path, CPU).model, examples("small", 2), CLASSES, CPU)


class Two(nn.Module):
    def forward(self, x):
        found = x.mean((2, 3))
        return 10 * found, found


def test_of_several_outputs_that_of_a_usual_name_counts_else_the_first_with_a_note(tmp_path):
    x = torch.rand(3, 3, 8, 8)
    torch.export.save(torch.export.export(Two().eval(), (x,)), tmp_path / "n.pt2")
    for names, factor in ((["a", "logits"], 1), (["a", "b"], 10)):
        torch.onnx.export(
            Two().eval(), (x,), tmp_path / "n.onnx", dynamo=True, input_names=["x"], output_names=names, verbose=False
        )
        program = read_program(tmp_path / "n.onnx", CPU)
        assert torch.allclose(program.model(x), factor * x.mean((2, 3)), atol=1e-5)
        assert f"'{names[1] if factor == 1 else names[0]}' is taken as the logits" in program.notes[0]
    exported = read_program(tmp_path / "n.pt2", CPU)
    assert torch.allclose(exported.model(x), 10 * x.mean((2, 3))) and "has 2 outputs" in exported.notes[0]


def by_hand(path, shape, *, dtype=TensorProto.FLOAT, inputs=1, axes=(2, 3)):
    """A graph of one mean over places: its output is the mean of each channel."""
    names = [f"x{k}" for k in range(inputs)]
    node = helper.make_node("ReduceMean", names[:1], ["y"], axes=list(axes), keepdims=0)
    takes = [helper.make_tensor_value_info(name, dtype, shape) for name in names]
    graph = helper.make_graph([node], "mean", takes, [helper.make_tensor_value_info("y", dtype, None)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


@pytest.mark.parametrize(
    ("shape", "axes", "batch", "side"),
    [
        (["n", 3, 8, 8], (2, 3), None, 8),
        ([None, 3, None, None], (2, 3), None, None),
        ([1, 3, 8, 8], (2, 3), 1, 8),
        ([4, 3, 8, 8], (2, 3), 4, 8),
        (["n", 8, 8, 3], (1, 2), None, 8),
        ([2, 8, 8, 3], (1, 2), 2, 8),
    ],
)
def test_graphs_of_other_programs_in_any_layout_and_batch_size(tmp_path, shape, axes, batch, side):
    path = tmp_path / "m.onnx"
    by_hand(path, shape, axes=axes)
    program = read_program(path, CPU)
    assert (program.signature.batch, program.classes) == (batch, None)
    assert input_shape(str(path))[2:4] == (side, 3)
    x = torch.rand(7, 3, 8, 8)
    assert torch.allclose(predict_logits(program.model, x, device=CPU), x.mean((2, 3)), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": ["n", 3, 8, 8], "dtype": TensorProto.DOUBLE}, "takes [?]x3x8x8 of float64, no images or clips"),
        ({"shape": ["n", 3, 8, 8], "inputs": 2}, "has 2 inputs and 1 output"),
        ({"shape": ["n", 3], "axes": (1,)}, "takes [?]x3 of float32, no images or clips"),
    ],
)
def test_a_graph_of_something_else_is_refused(tmp_path, arguments, message):
    by_hand(tmp_path / "m.onnx", **arguments)
    with pytest.raises(InputError, match=message):
        read_program(tmp_path / "m.onnx", CPU)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: whole[: len(whole) // 2], lambda whole: b"text\n"])
def test_a_damaged_file_is_an_input_error(tmp_path, ending, damage):
    path = tmp_path / f"n.{ending}"
    write_program(path, made("small"), examples("small", 2), CLASSES, CPU)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="not a whole program|not an ONNX network"):
        read_program(path, CPU)
    with pytest.raises(InputError, match="no such file"):
        read_program(tmp_path / f"no.{ending}", CPU)


def test_names_that_no_program_has_are_refused(tmp_path):
    for name in ("net.pt", "net", "net.onnx.txt"):
        with pytest.raises(UsageError, match="ends in neither .onnx nor .pt2"):
            check_program_name(tmp_path / name)
    with pytest.raises(UsageError, match="is a directory"):
        check_program_name(tmp_path)
