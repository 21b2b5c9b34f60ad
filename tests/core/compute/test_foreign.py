"""Networks of the user's own code: outputs of any form are read as logits, and images stay as they are."""

import copy
from collections import OrderedDict, namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcli.core.compute.foreign import foreign_calls, guard_calls, main_output, two_classes
from dlcli.core.compute.forward import is_opaque, logits_of
from dlcli.core.training.outputs import training_outputs
from dlcli.support.errors import InputError

Z, OTHER = torch.rand(3, 4), torch.rand(3, 7)
Pair = namedtuple("Pair", "features logits")


class Returns(nn.Module):
    """Returns what `form` makes of the logits."""

    def __init__(self, form: Any) -> None:
        super().__init__()
        self.form, self.fc = form, nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        return self.form(self.fc(x))


FORMS = {
    "tuple": lambda z: (z, OTHER),
    "list": lambda z: [z, OTHER],
    "named tuple": lambda z: Pair(OTHER, z),
    "dict": lambda z: {"features": OTHER, "logits": z},
    "out": lambda z: OrderedDict(aux=OTHER, out=z),
    "only tensor": lambda z: {"y": z, "loss": None},
    "object": lambda z: SimpleNamespace(loss=None, logits=z, hidden_states=OTHER),
    "nested": lambda z: ({"logits": (z, OTHER)}, OTHER),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_logits_are_taken_out_of_what_a_network_returns(form: str):
    model = guard_calls(Returns(FORMS[form])).eval()
    x = torch.rand(3, 4)
    assert torch.equal(logits_of(model, x), model.fc(x))
    assert [note for call in foreign_calls(model) for note in call.notes()][0].endswith("taken as the logits")
    assert training_outputs(model.train()(x)).logits is not None
    assert torch.equal(training_outputs(model(x)).logits, model.fc(x))


class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.fc(x)
        x.zero_()
        return z, z.mean()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_scripted_programs_are_read_alike_though_they_take_no_hooks(tmp_path: Path):
    torch.jit.save(torch.jit.script(Scripted()), tmp_path / "net.pt")
    program = torch.jit.load(tmp_path / "net.pt")
    model, x = guard_calls(program).eval(), torch.rand(3, 4)
    assert torch.equal(logits_of(model, x), program(x.clone())[0]) and float(x.abs().max()) > 0
    assert len([note for call in foreign_calls(model) for note in call.notes()]) == 2
    assert is_opaque(model)


@pytest.mark.parametrize("form", [lambda z: {"a": z, "b": z}, lambda z: "loss", lambda z: (), lambda z: None, lambda z: {}])
def test_what_has_no_logits_is_refused(form: Any):
    with pytest.raises(InputError, match="not a tensor"):
        logits_of(guard_calls(Returns(form)).eval(), torch.rand(3, 4))


def test_a_plain_network_is_left_alone():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    guarded = guard_calls(copy.deepcopy(model))
    assert list(guarded.state_dict()) == list(model.state_dict()) and repr(guarded) == repr(model)
    x = torch.rand(5, 4, requires_grad=True)
    for training in (True, False):
        found, expected = guarded.train(training)(x), model.train(training)(x)
        assert torch.equal(found, expected)
        pairs = zip(torch.autograd.grad(found.sum(), x), torch.autograd.grad(expected.sum(), x), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert not [note for call in foreign_calls(guarded) for note in call.notes()]


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=6), st.data(), st.booleans())
def test_the_cross_entropy_of_one_logit_is_that_of_a_binary_classifier(values: list[float], data: st.DataObject, flat: bool):
    z = torch.tensor(values, requires_grad=True)
    y = torch.tensor(data.draw(st.lists(st.integers(0, 1), min_size=len(values), max_size=len(values))))
    two = two_classes(z if flat else z[:, None])
    assert two.shape == (len(values), 2)
    found, expected = F.cross_entropy(two, y), F.binary_cross_entropy_with_logits(z, y.float())
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.allclose(torch.autograd.grad(found, z)[0], torch.autograd.grad(expected, z)[0], atol=1e-6)
    assert torch.allclose(two.softmax(1)[:, 1], z.sigmoid(), atol=1e-6)


@pytest.mark.parametrize("other", [torch.rand(3, 2), torch.rand(3, 1, 1), torch.ones(3, dtype=torch.int64), torch.tensor(1.0)])
def test_other_tensors_are_no_single_logit(other: Tensor):
    assert two_classes(other) is other


def test_one_logit_with_auxiliary_ones_trains_as_two_classes():
    model = guard_calls(Returns(lambda z: (z[:, :1], z[:, 1:2], z))).train()
    found = training_outputs(model(torch.rand(3, 4)))
    assert found.logits.shape == (3, 2) and [one.shape for one in found.auxiliary] == [(3, 2)]
    assert not found.logits[:, 0].any() and found.logits[:, 1].any()


def test_one_logit_for_more_than_two_classes_is_an_error_that_says_so():
    model = guard_calls(Returns(lambda z: z[:, 0])).eval()
    assert logits_of(model, torch.rand(3, 4), classes=2).shape == (3, 2)
    with pytest.raises(InputError, match=r"one output, which is the logit of two classes, but labels go up to 4") as caught:
        logits_of(model, torch.rand(3, 4), classes=5)
    assert "data of two classes" in caught.value.hint


class Writes(nn.Module):
    """Normalises its input in place."""

    def __init__(self, only_in_training: bool = False) -> None:
        super().__init__()
        self.fc, self.only_in_training = nn.Linear(4, 3), only_in_training

    def forward(self, x: Tensor) -> Tensor:
        if self.training or not self.only_in_training:
            x[:, 1:].sub_(0.5).div_(0.25)  # by a view
        return self.fc(x)


@pytest.mark.parametrize("only_in_training", [False, True])
def test_images_stay_as_they_are(only_in_training: bool):
    model = guard_calls(Writes(only_in_training))
    for training in (False, True, False, True):
        x = torch.rand(3, 4)
        before = x.clone()
        scaled = torch.cat([x[:, :1], (x[:, 1:] - 0.5) / 0.25], 1) if training or not only_in_training else x
        assert torch.allclose(model.train(training)(x), model.fc(scaled)) and torch.equal(x, before)
    assert any("writes into its input" in note for note in foreign_calls(model)[0].notes())


def test_gradients_with_respect_to_the_images_go_through_the_copy():
    model, x = guard_calls(Writes()).eval(), torch.rand(3, 4, requires_grad=True)
    expected = model.fc.weight.sum(0) * torch.tensor([1.0, 4, 4, 4])
    for _ in range(2):
        assert torch.allclose(torch.autograd.grad(model(x).sum(), x)[0], expected.expand(3, -1))


def test_a_copy_of_the_network_has_a_record_of_its_own():
    first = guard_calls(Writes())
    second = copy.deepcopy(first)
    second.eval()(torch.rand(2, 4))
    assert not foreign_calls(first)[0].writes and foreign_calls(second)[0].writes == {False: True}


def test_words_for_what_is_taken():
    assert main_output(Z) == (Z, "")
    assert main_output((Z, OTHER))[1] == "a tuple of 2, the first of which is"
    assert main_output({"logits": Z})[1] == "a value of type dict, of which 'logits' is"
