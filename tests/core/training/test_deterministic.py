"""Deterministic algorithms while a network trains: the same bits twice, what is not is named, and settings are put back."""

import warnings

import pytest
import torch
import torch.utils.deterministic
from torch import nn

from dlcli.core.compute.rng import generator
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.training.deterministic import deterministic
from dlcli.core.training.loop import Training, train
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT

CPU = torch.device("cpu")


def _settings():
    cudnn = torch.backends.cudnn
    memory = torch.utils.deterministic.fill_uninitialized_memory
    return torch.get_deterministic_debug_mode(), memory, cudnn.deterministic, cudnn.benchmark


@pytest.mark.parametrize("before", [0, 1, 2])
def test_settings_hold_inside_the_block_and_are_put_back(before):
    torch.set_deterministic_debug_mode(before)
    try:
        outside, filters, show = _settings(), list(warnings.filters), warnings.showwarning
        with pytest.raises(KeyError), deterministic(set()):
            assert _settings() == (max(before, 1), False, True, False)
            assert torch.are_deterministic_algorithms_enabled()
            raise KeyError
        assert _settings() == outside
        assert (list(warnings.filters), warnings.showwarning) == (filters, show)
    finally:
        torch.set_deterministic_debug_mode(0)


def _put():
    torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))  # has no deterministic algorithm on any device


@pytest.mark.parametrize("hushed", [False, True])
def test_operations_without_one_are_named_and_not_shown(hushed):
    found = set()
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("ignore" if hushed else "always")
        with deterministic(found):
            _put()
            _put()
            warnings.warn("something else", stacklevel=1)
        assert [str(warning.message) for warning in shown] == ([] if hushed else ["something else"])
    assert found == {"put_"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "Deterministic behavior was enabled with either `torch.use_deterministic_algorithms(True)` or "
            "`at::Context::setDeterministicAlgorithms(true)`, but this operation is not deterministic because it uses CuBLAS "
            "and you have CUDA >= 10.2. To enable deterministic behavior",
            "matrix products (set CUBLAS_WORKSPACE_CONFIG=:4096:8 before torch first uses the GPU)",
        ),
        (
            "Memory Efficient attention defaults to a non-deterministic algorithm. To explicitly enable determinism call ...",
            "Memory Efficient attention defaults to a non-deterministic algorithm",
        ),
    ],
)
def test_other_warnings_of_torch_are_named_too(text, name):
    """As torch words them on a GPU."""
    found = set()
    with deterministic(found):
        warnings.warn(text, stacklevel=1)
    assert found == {name}


class Table(nn.Module):
    """Reads few weights many times, as a table of relative positions is read: their gradients are sums over all places."""

    def __init__(self, put=False):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.layer, self.put = nn.Parameter(torch.rand(97, 32)), nn.Linear(32, 3), put

    def forward(self, x):
        if self.put:
            _put()
        which = (x * 96).long().flatten(1)
        return self.layer(self.table[which].mean(1))


def _trained(put=False, **options):
    model, x = Table(put), torch.rand(64, 1, 32, 32, generator=generator(0))
    recipe = Recipe(epochs=1, batch_size=32, optimizer="sgd", lr=0.1, dtype="float32")
    with SILENT.task("") as task:
        train(model, x, torch.arange(64) % 3, recipe, seed=0, device=CPU, task=task, **options)
    return weights_sha256(model)


def test_two_trainings_on_two_threads_give_the_same_bits():
    """Without deterministic algorithms the threads add in the order in which they come."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert len({_trained() for _ in range(4)}) == 1
    finally:
        torch.set_num_threads(before)


class Notes:
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.mark.parametrize("put", [False, True])
def test_one_note_names_what_is_not_deterministic(put):
    report = Notes()
    _trained(put, report=report)
    expected = "torch has no deterministic implementation on this device of put_: the same seed may give other weights"
    assert report.notes == ([expected] if put else [])


def test_the_settings_hold_in_every_step_and_not_between_epochs():
    seen = []

    class Sees(nn.Linear):
        def forward(self, x):
            seen.append(_settings())
            return super().forward(x.flatten(1))

    recipe = Recipe(epochs=2, batch_size=4, optimizer="sgd", lr=0.1, dtype="float32")
    training, outside = (
        Training(Sees(4, 3), torch.rand(8, 1, 2, 2), torch.arange(8) % 3, recipe, seed=0, device=CPU),
        _settings(),
    )
    while not training.done:
        with SILENT.task("") as task:
            training.run_epoch(task)
        assert _settings() == outside
    assert seen == [(1, False, True, False)] * 4
