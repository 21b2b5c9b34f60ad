"""Networks of any code in training: layouts, auxiliary outputs, nothing to train."""

from collections import namedtuple

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcli.core.training.batch_gradients import BatchGradients
from dlcli.core.training.loop import Training
from dlcli.core.training.outputs import training_outputs
from dlcli.core.training.recipe import Recipe
from dlcli.support.errors import InputError
from dlcli.support.reporter import SILENT

CPU = torch.device("cpu")
X, Y = torch.rand(24, 1, 6, 6, generator=torch.Generator().manual_seed(0)), torch.arange(24) % 3


class Net(nn.Module):
    """A convolution, batch normalisation and a fully connected layer, with `flatten` in between."""

    def __init__(self, flatten):
        super().__init__()
        torch.manual_seed(0)
        self.flatten = flatten
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.fc = nn.Linear(64, 3)

    def forward(self, x):
        return self.fc(self.flatten(self.features(x)))


class Auxiliary(Net):
    """Further outputs in training mode, as GoogLeNet and Inception have them."""

    def __init__(self, wrap):
        super().__init__(lambda x: x.flatten(1))
        self.wrap, self.side = wrap, nn.Linear(64, 3)

    def forward(self, x):
        features = self.features(x).flatten(1)
        logits = self.fc(features)
        return self.wrap(logits, self.side(features)) if self.training else logits


def begun(model, *, epochs=2, batch_size=8, **more):
    recipe = Recipe(epochs=epochs, batch_size=batch_size, optimizer="sgd", lr=0.1, options={"momentum": 0.9}, **more)
    return Training(model, X, Y, recipe, seed=0, device=CPU, dtype=torch.float32)


def trained(model, epochs=2, **recipe):
    training = begun(model, epochs=epochs, **recipe)
    with SILENT.task("training") as task:
        while not training.done:
            training.run_epoch(task)
    return training


def state(training):
    training.finish()
    return {name: value.clone() for name, value in training.model.state_dict().items()}


def view(x):
    return x.view(x.size(0), -1)


def test_a_network_that_takes_views_trains_as_one_that_flattens():
    found, expected = trained(Net(view)), trained(Net(lambda x: x.flatten(1)))
    assert (found.gradients.layout, expected.gradients.layout) == (torch.contiguous_format, torch.channels_last)
    for name, value in state(expected).items():
        torch.testing.assert_close(found.model.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_the_failed_attempt_leaves_nothing_behind(monkeypatch):
    fallen_back = state(trained(Net(view), ema=0.9))
    monkeypatch.setattr(BatchGradients, "layout", torch.contiguous_format)
    for name, value in state(trained(Net(view), ema=0.9)).items():
        assert torch.equal(fallen_back[name], value)


def test_a_resumed_training_falls_back_to_the_same_bits():
    whole = state(trained(Net(view)))
    started, again = begun(Net(view)), begun(Net(view))
    with SILENT.task("training") as task:
        started.run_epoch(task)
        again.load(started.state())
        again.run_epoch(task)
    for name, value in state(again).items():
        assert torch.equal(whole[name], value)


Outputs = namedtuple("Outputs", "logits aux_logits2 aux_logits1")


@pytest.mark.parametrize(
    ("wrap", "weights"),
    [
        (lambda z, a: (z, a), [0.4]),
        (lambda z, a: Outputs(z, a, 2 * a), [0.3, 0.3]),
        (lambda z, a: {"aux": a, "out": z}, [0.4]),
        (lambda z, a: (z, a.mean(1)), []),
    ],
    ids=["Inception", "GoogLeNet", "mapping", "features"],
)
def test_auxiliary_losses_are_added_with_their_weight(wrap, weights):
    model, reference = Auxiliary(wrap), Auxiliary(wrap)
    training = begun(model, epochs=1, batch_size=24)
    with SILENT.task("training") as task:
        training.run_epoch(task)
    optimizer = torch.optim.SGD(reference.parameters(), 0.1)
    features = reference.features(X).flatten(1)
    side = reference.side(features)
    losses = [F.cross_entropy(reference.fc(features), Y), *(F.cross_entropy(k * side, Y) for k in (1, 2)[: len(weights)])]
    sum(weight * loss for weight, loss in zip([1, *weights], losses, strict=True)).backward()
    optimizer.step()
    for found, expected in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert [note.split(" weight ")[1] for note in training.notes] == [f"{weight:g}" for weight in weights[:1]]


@pytest.mark.parametrize("found", ["text", None, {"loss": 1.0}, (), 3])
def test_outputs_without_logits_are_refused(found):
    with pytest.raises(InputError, match="without logits"):
        training_outputs(found)


def frozen():
    return Net(view).requires_grad_(False)


class Detached(Net):
    def forward(self, x):
        return super().forward(x).detach()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (frozen, "all its parameters are frozen"),
        (nn.Flatten, "it has no parameters"),
        (lambda: Detached(view), "its outputs do not depend on its trainable weights"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 3, dtype=torch.cfloat)), "complex weights"),
    ],
)
def test_nothing_to_train_is_an_input_error(make, message):
    with pytest.raises(InputError, match=message):
        trained(make())
