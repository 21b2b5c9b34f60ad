"""Files of weights are told by their content, and nothing in them is run."""

import argparse
import datetime
import gzip
import io
import os
import pathlib
import pickle
import tarfile
import types
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dlcli.core.model_io.safe_pickle import Inert, read_torch_file
from dlcli.core.model_io.weights_file import check_weights_file, is_weights, read_weights_file
from dlcli.core.model_io.weights_fit import fit_weights
from dlcli.support.errors import InputError

STATE = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return {name: stored.tensor for name, stored in read_weights_file(path).tensors.items()}


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", ["w.pt", "w.ckpt", "w.pth.tar", "pytorch_model.bin", "best", "w.safetensors.old", "w.npz"])
@pytest.mark.parametrize("write", [torch.save, save_file, lambda s, p: torch.save(s, p, _use_new_zipfile_serialization=False)])
def test_a_file_is_read_whatever_it_is_called(tmp_path: Path, name: str, write: Callable[[Any, Path], None]):
    write(STATE, tmp_path / name)
    assert same(tensors(tmp_path / name), STATE)


def test_tensors_are_found_at_any_nesting_by_their_paths(tmp_path: Path):
    held = {"epoch": 3, "a": [{"b": STATE}, ({"c": {0: torch.zeros(1)}},)], "best": torch.tensor(0.5), "none": None}
    torch.save(held, tmp_path / "w")
    assert same(
        tensors(tmp_path / "w"),
        {"a.0.b.weight": STATE["weight"], "a.0.b.bias": STATE["bias"], "a.1.0.c.0": torch.zeros(1), "best": torch.tensor(0.5)},
    )
    assert {name: stored.mapping for name, stored in read_weights_file(tmp_path / "w").tensors.items()} == {
        "a.0.b.weight": "a.0.b",
        "a.0.b.bias": "a.0.b",
        "a.1.0.c.0": "a.1.0.c",
        "best": "",
    }


class _Dangerous:
    """Makes a folder when it is unpickled, and when it is built again by any class that lets its state in."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (self.target,)


BESIDE = {
    "options": argparse.Namespace(lr=0.1, path=Path("runs/exp"), nested=argparse.Namespace(a=np.float32(1))),
    "simple": types.SimpleNamespace(a=1),
    "path": pathlib.PurePosixPath("a/b"),
    "windows path": pathlib.PureWindowsPath(r"C:\\a"),
    "double": np.float64(91.2),
    "scalars": [np.int64(3), np.bool_(True), np.float16(2)],
    "array": np.arange(3),
    "random state": np.random.RandomState(0).get_state(),  # noqa: NPY002 - what checkpoints hold
    "dates": [datetime.datetime(2026, 1, 2), datetime.timedelta(1)],
    "default": defaultdict(list, {"loss": [0.5]}),
}


@pytest.mark.parametrize("what", BESIDE)
def test_what_training_scripts_save_beside_the_weights_is_harmless(tmp_path: Path, what: str):
    torch.save({"state_dict": STATE, what: BESIDE[what]}, tmp_path / "w.pth")
    with pytest.raises(pickle.UnpicklingError):  # torch alone refuses it
        torch.load(tmp_path / "w.pth", weights_only=True)
    before = set(torch.serialization.get_safe_globals())
    assert same(tensors(tmp_path / "w.pth"), {f"state_dict.{name}": tensor for name, tensor in STATE.items()})
    assert set(torch.serialization.get_safe_globals()) == before


def test_nothing_of_what_lies_beside_is_built(tmp_path: Path):
    torch.save({"args": BESIDE["options"], "acc": BESIDE["double"]}, tmp_path / "w.pth")
    held = read_torch_file(tmp_path / "w.pth")
    assert type(held["args"]) is type(held["acc"]) is Inert and not vars(held["args"])


@pytest.mark.parametrize("place", ["alone", "in options", "in an array"])
@pytest.mark.parametrize("legacy", [False, True])
def test_code_is_refused_and_does_not_run(tmp_path: Path, place: str, legacy: bool):
    target, path = tmp_path / "ran", tmp_path / "w.pt"
    one = _Dangerous(str(target))
    held = {"alone": one, "in options": argparse.Namespace(a=one), "in an array": np.array([one], dtype=object)}[place]
    torch.save({"state_dict": STATE, "x": held}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InputError, match="refused") as caught:
        read_weights_file(path)
    assert "state_dict" in caught.value.hint and not target.exists()
    if not legacy:
        assert "posix.mkdir" in caught.value.message
    torch.load(path, weights_only=False)  # it is dangerous indeed
    assert target.exists()


def test_a_plain_pickle_is_refused(tmp_path: Path):
    (tmp_path / "w.pt").write_bytes(pickle.dumps(_Dangerous(str(tmp_path / "ran"))))
    with pytest.raises(InputError, match="refused"):
        read_weights_file(tmp_path / "w.pt")
    assert not (tmp_path / "ran").exists()


def test_a_pickled_model_is_refused_by_the_name_of_what_it_holds(tmp_path: Path):
    torch.save(nn.Linear(1, 1), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"refused.*torch\.nn\.modules\.linear\.Linear"):
        read_weights_file(tmp_path / "w.pt")


@pytest.mark.parametrize("held", [[torch.zeros(1)], {"a": 1}, {"state_dict": {"a": "b"}}, torch.zeros(2), {}, "text"])
def test_a_file_without_a_state_dict_is_an_input_error(tmp_path: Path, held: Any):
    torch.save(held, tmp_path / "w.pt")
    with pytest.raises(InputError, match="no state dict"):
        read_weights_file(tmp_path / "w.pt")


@pytest.mark.parametrize("wrap", [lambda one: [one], lambda one: (one, 3), lambda one: [{"epoch": 1}, {"net": one}]])
def test_state_dicts_in_a_list_are_found(tmp_path: Path, wrap: Any):
    state = nn.Linear(2, 3).state_dict()
    torch.save(wrap(state), tmp_path / "w.pt")
    found = fit_weights(read_weights_file(tmp_path / "w.pt"), nn.Linear(2, 3).state_dict(), network="linear").state
    assert found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)


def test_an_optimizer_alone_is_named(tmp_path: Path):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    torch.save(optimizer.state_dict(), tmp_path / "w.pt")
    with pytest.raises(InputError, match="state of an optimizer"):
        read_weights_file(tmp_path / "w.pt")


def _scripted(path: Path) -> None:
    model = nn.Linear(2, 2)
    with pytest.warns(FutureWarning):
        torch.jit.save(torch.jit.trace(model, torch.ones(1, 2)), path)


def _npz() -> bytes:
    written = io.BytesIO()
    np.savez(written, weight=np.ones(2))
    return written.getvalue()


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("w.pt"), io.BytesIO())


OTHERS: dict[str, Callable[[Path], Any]] = {
    "TorchScript": _scripted,
    r"torch\.export": lambda path: torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),)), path),
    "npz": lambda path: path.write_bytes(_npz()),
    "HDF5": lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)),
    "compressed": lambda path: path.write_bytes(gzip.compress(b"weights")),
    "tar archive": _tar,
    "Git LFS": lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
    "web page": lambda path: path.write_text("\n<!DOCTYPE html>\n<html></html>"),
    "ONNX": lambda path: path.write_bytes(b"\x08\x08\x12\x07pytorch" + bytes(20)),
    "is empty": lambda path: path.write_bytes(b""),
    "neither safetensors": lambda path: path.write_bytes(b"\xff\xd8\xff\xe0 a picture"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", ["w.pt", "w"])
def test_another_kind_of_file_is_called_what_it_is(tmp_path: Path, kind: str, name: str):
    if kind == r"torch\.export":
        OTHERS[kind](tmp_path / "w.pt2")  # the ending that torch asks for
        (tmp_path / "w.pt2").rename(tmp_path / name)
    else:
        OTHERS[kind](tmp_path / name)
    with pytest.raises(InputError, match=kind) as caught:
        read_weights_file(tmp_path / name)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("cut", [5, 60, -1])
def test_a_torn_file_is_an_error_of_one_line(tmp_path: Path, cut: int):
    torch.save(STATE, tmp_path / "w.pt")
    (tmp_path / "w.pt").write_bytes((tmp_path / "w.pt").read_bytes()[:cut])
    with pytest.raises(InputError, match="not a whole torch file") as caught:
        read_weights_file(tmp_path / "w.pt")
    assert "\n" not in caught.value.message


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("kind", ["sparse", "meta", "nested"])
def test_tensors_that_are_not_dense_are_named(tmp_path: Path, kind: str):
    made = {"sparse": torch.eye(2).to_sparse(), "meta": torch.zeros(2, device="meta")}
    made["nested"] = torch.nested.nested_tensor([torch.zeros(1), torch.zeros(2)])
    torch.save({"odd": made[kind]}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=f"odd is a {kind} tensor"):
        read_weights_file(tmp_path / "w.pt")


def test_what_holds_itself_many_times_over_has_an_end(tmp_path: Path):
    doubled: Any = {"w": torch.zeros(1)}
    for _ in range(40):
        doubled = [doubled, doubled]
    torch.save({"a": doubled}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="nested too deeply|two tensors"):
        read_weights_file(tmp_path / "w.pt")
    loop: dict[str, Any] = {}
    loop["again"] = loop
    torch.save(loop, tmp_path / "w.pt")
    with pytest.raises(InputError, match="nested too deeply"):
        read_weights_file(tmp_path / "w.pt")


def test_which_paths_are_weights(tmp_path: Path):
    for name in ("lenet", "best.weights", "nets.py"):
        torch.save(OrderedDict(STATE), tmp_path / name)
    assert is_weights(tmp_path / "lenet") and not is_weights(tmp_path / "lenet", may_be_name=True)
    assert is_weights(tmp_path / "best.weights", may_be_name=True) and is_weights(Path("absent.pth.tar"))
    assert not is_weights(tmp_path / "nets.py") and not is_weights(tmp_path) and not is_weights(Path("absent"))
    with pytest.raises(InputError, match="no such file"):
        check_weights_file(Path("absent.pt"))
