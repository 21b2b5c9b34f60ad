"""Trained networks and their cache."""

import os
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import nn

from dlcli.core.compute import loader, precision, rng
from dlcli.core.compute.forward import predict_logits
from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData
from dlcli.core.model_io import cached as members
from dlcli.core.model_io.cached import MemberPlan, is_cached, train_or_load
from dlcli.core.model_io.checkpoint import load_weights, read_metadata, weights_sha256
from dlcli.core.model_io.untrained import open_model
from dlcli.core.models.base import Architecture
from dlcli.core.training import batch_gradients, dead_taps, deterministic, foreach, hooks, loop, recipe
from dlcli.core.training.recipe import Recipe
from dlcli.support.lock import locked
from dlcli.support.reporter import SILENT

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=2, batch_size=16, optimizer="sgd", lr=0.1, threads=1)


class Listener:
    """A report that remembers."""

    def __init__(self):
        self.notes, self.warnings, self.tasks = [], [], []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)

    @contextmanager
    def task(self, label, total=None):
        self.tasks.append([label, total, 0])
        with SILENT.task(label, total) as silent:
            silent.advance = lambda steps=1: self._count(steps)
            yield silent

    def _count(self, steps):
        self.tasks[-1][2] += steps


def _build():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(4 * 4, 2))


def _data(seed=0, n=40):
    source = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 1, 4, 4, generator=source)
    y = (x[:, 0, :2].sum((1, 2)) > x[:, 0, 2:].sum((1, 2))).long()
    return ImageData(x, y, x, y, ("down", "up"), "made up")


ARCH = Architecture("tiny", _build, RECIPE, "source")


def _fit(arch=ARCH, data=None, **changes):
    plan = {"arch": arch, "data": data or _data(), "recipe": RECIPE, "seed": 0, "name": "member-1", "device": CPU}
    how = {name: changes.pop(name) for name in ("cache", "report") if name in changes}
    return train_or_load(MemberPlan(**plan | changes), **how)


def test_the_same_arguments_give_the_same_bits_in_any_state():
    first = _fit()
    torch.rand(17)
    assert _fit().sha256 == first.sha256 == weights_sha256(first.model)


def test_the_global_random_state_does_not_change():
    before = torch.get_rng_state()
    _fit(bootstrap=True)
    assert torch.equal(torch.get_rng_state(), before)


def test_seed_name_and_sample_each_change_the_network():
    changes = [{}, {"seed": 1}, {"name": "member-2"}, {"name": "baseline"}, {"bootstrap": True}, {"data": _data(1)}]
    assert len({_fit(**change).sha256 for change in changes}) == len(changes)


def test_members_start_from_different_weights():
    still = replace(RECIPE, epochs=1, lr=1e-30)
    weights = [next(_fit(recipe=still, name=f"member-{k}").model.parameters()) for k in range(2)]
    assert not torch.equal(*weights)


def test_a_member_is_in_evaluation_mode():
    member = _fit()
    assert not any(module.training for module in member.model.modules())
    assert (member.reused, member.seconds > 0) == (False, True)


def _seen(monkeypatch, **changes):
    found = []
    monkeypatch.setattr(members, "train", lambda model, x, y, recipe, **_: found.append((x, y)))
    _fit(**changes)
    return found[0]


def test_without_bootstrap_all_examples_are_used(monkeypatch):
    x, y = _seen(monkeypatch)
    assert torch.equal(x, _data().x_train)
    assert torch.equal(y, _data().y_train)


def test_a_bootstrap_sample_is_n_draws_with_replacement(monkeypatch):
    n = 4000
    data = replace(_data(n=n), x_train=torch.arange(n).float().view(n, 1, 1, 1).expand(n, 1, 4, 4))
    x, y = _seen(monkeypatch, data=data, bootstrap=True)
    drawn = x[:, 0, 0, 0].long()
    assert torch.equal(y, data.y_train[drawn])
    assert len(drawn) == n
    # The share of distinct examples has mean 1 - 1/e and standard deviation sqrt((1/e - 2/e^2) / n).
    share = len(drawn.unique()) / n
    assert abs(share - (1 - 1 / torch.e)) < 5 * ((1 / torch.e - 2 / torch.e**2) / n) ** 0.5
    again, _ = _seen(monkeypatch, data=data, bootstrap=True)
    other, _ = _seen(monkeypatch, data=data, bootstrap=True, name="member-2")
    assert torch.equal(again, x)
    assert not torch.equal(other, x)


def test_the_second_call_loads_the_network_with_the_same_bits(tmp_path):
    listener = Listener()
    first, second = (_fit(cache=tmp_path, report=listener) for _ in range(2))
    assert (first.reused, second.reused) == (False, True)
    assert second.seconds == 0
    assert listener.tasks == [["training member-1", 6, 6]]  # 2 epochs of 3 batches
    x = _data().x_test
    assert torch.equal(predict_logits(first.model, x, device=CPU), predict_logits(second.model, x, device=CPU))
    assert first.sha256 == second.sha256 == weights_sha256(second.model)
    assert not any(module.training for module in second.model.modules())
    (file,) = tmp_path.iterdir()
    assert read_metadata(file)["sha256"] == first.sha256
    assert weights_sha256(load_weights(file)) == first.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": replace(RECIPE, epochs=3)},
        {"recipe": replace(RECIPE, options={"momentum": 0.5})},
        {"recipe": replace(RECIPE, dtype="float32")},
        {"seed": 1},
        {"name": "member-2"},
        {"bootstrap": True},
        {"data": _data(1)},
        {"data": replace(_data(), classes=("a", "b"))},
        {"arch": replace(ARCH, source_sha256="edited")},
        {"arch": replace(ARCH, name="other")},
    ],
)
def test_a_change_of_any_argument_misses_the_cache(tmp_path, monkeypatch, change):
    monkeypatch.setattr("dlcli.core.training.recipe.fast_dtype", lambda device: torch.bfloat16)
    _fit(cache=tmp_path)
    assert not _fit(cache=tmp_path, **change).reused
    assert _fit(cache=tmp_path, **change).reused


def test_another_thread_count_torch_or_training_code_misses_the_cache(tmp_path, monkeypatch):
    _fit(cache=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "99.0")
        assert not _fit(cache=tmp_path).reused
    with monkeypatch.context() as patch:
        patch.setattr(members, "resolve_threads", lambda recipe: 77)
        assert not _fit(cache=tmp_path).reused
    edited = tmp_path / "edited.py"
    edited.write_text("# edited")
    for module in (loader, precision, rng, batch_gradients, dead_taps, deterministic, foreach, hooks, loop, recipe, members):
        with monkeypatch.context() as patch:
            patch.setattr(module, "__file__", str(edited))
            assert not _fit(cache=tmp_path / module.__name__).reused
            patch.undo()
            assert not _fit(cache=tmp_path / module.__name__).reused
    assert _fit(cache=tmp_path).reused


def _flip_a_weight(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("damage", [lambda c: c[:100], lambda c: c[:-4], lambda c: b"", _flip_a_weight])
def test_a_damaged_file_gives_a_warning_and_is_trained_again(tmp_path, damage):
    first = _fit(cache=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    listener = Listener()
    second = _fit(cache=tmp_path, report=listener)
    assert (second.reused, second.sha256) == (False, first.sha256)
    assert len(listener.warnings) == 1
    assert str(file) in listener.warnings[0]
    assert "member-1 is trained again" in listener.warnings[0]
    assert _fit(cache=tmp_path, report=listener).reused
    assert len(listener.warnings) == 1


def test_cached_weights_of_another_network_are_trained_again(tmp_path):
    _fit(cache=tmp_path)
    (file,) = tmp_path.iterdir()
    members.save_weights(file, wrong := nn.Linear(1, 1), {"sha256": weights_sha256(wrong)})
    listener = Listener()
    assert not _fit(cache=tmp_path, report=listener).reused
    assert "not of this network" in listener.warnings[0]


def test_a_full_disk_only_disables_the_cache(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(members, "save_weights", full)
    listener = Listener()
    assert _fit(cache=tmp_path, report=listener).sha256 == _fit().sha256
    assert "No space left on device" in listener.warnings[0]


def test_a_folder_that_cannot_be_created_only_disables_the_cache(tmp_path):
    (tmp_path / "file").write_text("")
    listener = Listener()
    assert _fit(cache=tmp_path / "file" / "models", report=listener).sha256 == _fit().sha256
    assert [text.partition(": ")[2] for text in listener.warnings] == ["not cached for the next run (Not a directory)"]


def test_a_second_process_waits_for_the_first_and_loads_its_network(tmp_path):
    expected = _fit(cache=tmp_path)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    file.unlink()
    waiting, results = threading.Event(), []
    listener = Listener()
    listener.note = lambda text: (listener.notes.append(text), waiting.set())
    with locked(file, wait=False):
        second = threading.Thread(target=lambda: results.append(_fit(cache=tmp_path, report=listener)))
        second.start()
        assert waiting.wait(60)
        file.write_bytes(content)  # what the first run does at its end
    second.join(60)
    assert (results[0].reused, results[0].sha256) == (True, expected.sha256)
    assert "waiting" in listener.notes[0]
    assert listener.tasks == []


def test_a_network_is_cached_if_it_would_not_be_trained(tmp_path):
    first = MemberPlan(arch=ARCH, data=_data(), recipe=RECIPE, seed=0, name="member", device=CPU)
    for changes in ({}, {"seed": 1}, {"bootstrap": True}, {"name": "other"}, {"recipe": replace(RECIPE, lr=0.2)}):
        plan = replace(first, **changes)
        found = [is_cached(plan, tmp_path), train_or_load(plan, cache=tmp_path).reused, is_cached(plan, tmp_path)]
        assert found == [False, False, True]
    assert not is_cached(replace(first, data=_data(seed=1)), tmp_path)


@pytest.mark.slow
def test_digits_net_reaches_its_accuracy_and_takes_the_fast_path_safely(tmp_path):
    data = open_data("digits")
    arch = open_model(None, data)
    member = train_or_load(
        MemberPlan(arch=arch, data=data, recipe=arch.recipe, seed=0, name="baseline", device=CPU), cache=tmp_path
    )
    right = (predict_logits(member.model, data.x_test, device=CPU).argmax(1) == data.y_test).float().mean()
    assert right >= 0.97
    assert os.listdir(tmp_path)
