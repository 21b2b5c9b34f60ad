"""Programs of torch.export that would run code when they are loaded or called are refused, and nothing of them runs."""

import io
import json
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dlcli.core.model_io.programs import read_program
from dlcli.core.model_io.programs.safe_program import check_program
from dlcli.support.errors import InputError
from dlcli.support.trust import Trust, trusting

CPU = torch.device("cpu")


class Touch:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of a program that may be loaded."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)).eval()
    batch = ({0: torch.export.Dim("batch", min=1)},)
    path = tmp_path_factory.mktemp("programs") / "n.pt2"
    torch.export.save(torch.export.export(model, (torch.zeros(2, 3, 8, 8),), dynamic_shapes=batch), path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def ending(parts: dict[str, bytes], end: str) -> str:
    return next(name for name in parts if name.endswith(end))


def in_model(change: Callable[[Any], None]) -> Callable[[dict[str, bytes], str], None]:
    """Change the graph, in JSON."""

    def apply(parts: dict[str, bytes], mark: str) -> None:
        name = ending(parts, "models/model.json")
        found = json.loads(parts[name])
        change(found["graph_module"])
        parts[name] = json.dumps(found).encode().replace(b"MARK", mark.encode())

    return apply


def target(name: str) -> Callable[[dict[str, bytes], str], None]:
    return in_model(lambda found: found["graph"]["nodes"][0].update(target=name))


def size(text: str) -> Callable[[dict[str, bytes], str], None]:
    def change(found: Any) -> None:
        for value in found["graph"]["tensor_values"].values():
            for one in value["sizes"]:
                if "as_expr" in one:
                    one["as_expr"]["expr_str"] = text

    return in_model(change)


def layout(text: str) -> Callable[[dict[str, bytes], str], None]:
    return in_model(lambda found: found["module_call_graph"][0]["signature"].update(in_spec=text))


def pickled_weight(parts: dict[str, bytes], mark: str) -> None:
    name = ending(parts, "model_weights_config.json")
    found = json.loads(parts[name])
    first = next(iter(found["config"].values()))
    first["use_pickle"] = True
    parts[name] = json.dumps(found).encode()
    parts[ending(parts, f"weights/{first['path_name']}")] = pickle.dumps(Touch(mark))


def pickled_inputs(parts: dict[str, bytes], mark: str) -> None:
    stream = io.BytesIO()
    torch.save(Touch(mark), stream)
    parts[ending(parts, "sample_inputs/model.pt")] = stream.getvalue()


def library(parts: dict[str, bytes], mark: str) -> None:
    parts["n/data/aotinductor/model/net.so"] = b"\x7fELF"


DEFAULTDICT = {"default_factory_module": "strange", "default_factory_name": "x", "dict_context": []}
HARMS = {
    "a function of torch that reads pickles": target("torch.load"),
    "a function that loads code": target("torch.hub.load"),
    "an operator that writes files": target("torch.ops.aten.from_file.default"),
    "an operator of an unknown library": target("torch.ops.strange.op.default"),
    "a caller of methods": target("_operator.methodcaller"),
    "a private attribute": target("torch.ops.aten.__class__"),
    "an extension": target("#strange:op"),
    "a size that calls": size("__import__('os').system('touch MARK')"),
    "a size with an attribute": size("Symbol.__class__"),
    "a size that evaluates": size("eval('1')"),
    "a size in a lambda": size("(lambda: 1)()"),
    "a name that is text": size("Symbol('__import__(1)')"),
    "a layout that imports": layout(
        json.dumps([1, {"type": "collections.defaultdict", "context": json.dumps(DEFAULTDICT), "children_spec": []}])
    ),
    "a layout of an enumeration": layout(
        json.dumps([1, {"type": None, "context": {"__enum__": True, "fqn": "strange:X"}, "children_spec": []}])
    ),
    "a pickled weight": pickled_weight,
    "pickled example inputs": pickled_inputs,
    "a compiled library": library,
    "the layout of an older version": lambda parts, mark: parts.update({"version": b"8.1"}),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_could_run_code_is_refused_unread(sound: dict[str, bytes], tmp_path: Path, harm: str):
    parts, mark = dict(sound), tmp_path / "MARK"
    HARMS[harm](parts, str(mark))
    assert parts != sound
    path = packed(tmp_path / "n.pt2", parts)
    with pytest.raises(InputError, match="refused, .* could run code") as error:
        read_program(path, CPU)
    assert not mark.exists() and "trust_code" in error.value.hint and "\n" not in error.value.message


def test_a_sound_program_is_read_again_from_the_same_parts(sound: dict[str, bytes], tmp_path: Path):
    path = packed(tmp_path / "n.pt2", sound)
    x = torch.rand(3, 3, 8, 8)
    assert read_program(path, CPU).model(x).shape == (3, 5)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_program_is_an_input_error(sound: dict[str, bytes], tmp_path: Path, seed: int):
    """Compressed, so that a flipped bit is met while members are read."""
    rng, path = random.Random(seed), tmp_path / "n.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sound.items():
            archive.writestr(name, content)
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    with suppress(InputError):
        check_program(path, bytes(content))


@pytest.mark.parametrize("text", ["2*Symbol('s0', positive=True) + 1", "Max(1, Mod(s0, 4))", "s31", "(s0 - 1)//2", "-s0 >= 3"])
def test_arithmetic_on_sizes_is_allowed(sound: dict[str, bytes], tmp_path: Path, text: str):
    parts = dict(sound)
    size(text)(parts, "")
    path = packed(tmp_path / "n.pt2", parts)
    check_program(path, path.read_bytes())


def test_trust_is_what_lets_it_through(sound: dict[str, bytes], tmp_path: Path):
    parts = dict(sound)
    target("torch.load")(parts, "")
    path = packed(tmp_path / "n.pt2", parts)
    with trusting(Trust(frozenset(), True)):
        check_program(path, path.read_bytes())
    with trusting(Trust(frozenset({str(path)}), False)), pytest.raises(InputError, match="refused"):
        check_program(path, path.read_bytes())
