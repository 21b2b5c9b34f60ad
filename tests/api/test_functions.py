"""Every function on every kind of input gives what the command gives on the same data on disk, to the bit."""

import csv
import datetime
import importlib
import inspect
import io
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import dlcli as library
from dlcli import attacks
from dlcli.api.signature import RESULTS, command_of
from dlcli.cli.output import plain
from dlcli.specs.command_line import config_class
from dlcli.specs.option import declared
from dlcli.support.errors import InputError
from tests.conftest import Run

_NETS = """
import torch
from torch import nn

def net():
    torch.manual_seed(5)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))

def colour():
    torch.manual_seed(6)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 3),
    )
"""
_NAMES = {"data", "model", "model_sha256", "notes", "input", "threat_model", "folder", "network", "causes"}
"""Fields that name where things come from, and commands to try, which cannot name objects."""
_TEXTS = ["How do I sort a list?", "how to sort a list", "What is a dog, exactly?", "", "How do I sort a list?", '"quoted"']


class Pairs(Dataset[Any]):
    """A map-style dataset of images and labels as Python's types."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, k: int) -> tuple[np.ndarray, int]:
        return self.x[k], int(self.y[k])


def _examples(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(4)
    y = generator.integers(0, 3, 60)
    x = generator.integers(0, 256, (60, 8, 8), dtype=np.uint8) // 2 + (40 * y[:, None, None]).astype(np.uint8)
    return (x if dtype == "uint8" else (x / np.float32(255)).astype(np.float32)), y


KINDS: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "arrays": lambda x, y: (x, y),
    "tensors": lambda x, y: (torch.from_numpy(x)[:, None], torch.from_numpy(y)),
    "series of labels": lambda x, y: (x, pd.Series(y)),
    "TensorDataset": lambda x, y: TensorDataset(torch.from_numpy(x)[:, None], torch.from_numpy(y)),
    "Dataset": Pairs,
    "DataLoader": lambda x, y: DataLoader(Pairs(x[:, None], y), batch_size=7, shuffle=True, drop_last=True),
}


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The file of two networks, imported as a program imports it."""
    (tmp_path / "nets_of_api.py").write_text(_NETS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nets_of_api", raising=False)
    import nets_of_api  # type: ignore[import-not-found]

    return nets_of_api


def _figures(value: Any) -> Any:
    """A result without where things come from and how long they took."""
    if isinstance(value, dict):
        return {key: _figures(one) for key, one in value.items() if key not in _NAMES and "seconds" not in key}
    return [_figures(one) for one in value] if isinstance(value, list) else value


def _returned(function: str, result: Any) -> Any:
    return _figures(json.loads(json.dumps(plain(result, command_of(function)), default=str)))


def _printed(dlcli: Run, *arguments: object) -> Any:
    done = dlcli(*map(str, arguments))
    assert done.returncode == 0, done.stderr.decode()
    return _figures(json.loads(done.stdout))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_network_is_evaluated_and_attacked_as_by_the_commands(dlcli: Run, nets: Any, tmp_path: Path, dtype: str):
    x, y = _examples(dtype)
    np.savez(tmp_path / "test.npz", x_test=x, y_test=y)
    evaluated = _printed(dlcli, "eval", "nets_of_api.py:net", "--data", "test.npz")
    options = ("--method", "pgd", "--steps", 3, "--eps", "0.02,8/255")
    attacked = _printed(dlcli, "attack", "--model", "nets_of_api.py:net", "--data", "test.npz", *options)
    assert evaluated["n_images"] == attacked["n_images"] == 60
    for make in KINDS.values():
        assert _returned("evaluate", library.evaluate(nets.net(), make(x, y))) == evaluated
        found = library.attack(nets.net(), make(x, y), method="pgd", steps=3, eps=[0.02, 8 / 255])
        assert _returned("attack", found) == attacked
    by_path = library.evaluate(f"{tmp_path}/nets_of_api.py:net", tmp_path / "test.npz")
    assert _returned("evaluate", by_path) == _returned("evaluate", library.evaluate(nets.net, (x, y))) == evaluated


def test_networks_are_trained_and_combined_as_by_the_commands(dlcli: Run, nets: Any, tmp_path: Path):
    x, y = _examples("float32")
    np.savez(tmp_path / "all.npz", x=x, y=y)
    options = ("--epochs", 2, "--data", "all.npz")
    trained = _printed(dlcli, "train", *options, "--model", "nets_of_api.py:net", "-o", "run")
    members = _printed(dlcli, "ensemble", *options, "--model", "nets_of_api.py:net", "--members", 2, "-o", "members")
    for name, make in KINDS.items():
        found = library.train(nets.net(), make(x, y), epochs=2, output=tmp_path / name)
        assert _returned("train", found) == trained
        assert (tmp_path / name / "history.csv").read_bytes() == (tmp_path / "run" / "history.csv").read_bytes()
        assert json.loads((tmp_path / name / "run.json").read_text())["command"] == "train"
    assert _returned("ensemble", library.ensemble(nets.net(), (x, y), epochs=2, members=2)) == members
    sets = {"train": (x[:40], y[:40]), "test": Pairs(x[40:], y[40:])}
    np.savez(tmp_path / "sets.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    by_path = library.train(f"{tmp_path}/nets_of_api.py:net", tmp_path / "sets.npz", epochs=1)
    assert _returned("train", library.train(nets.net, sets, epochs=1)) == _returned("train", by_path)


def test_versus_compares_networks_of_the_program(nets: Any, tmp_path: Path):
    x, y = _examples("float32")
    np.savez(tmp_path / "all.npz", x=x, y=y)
    found, expected = (
        library.train(nets.net(), data, epochs=1, lr=[0.01, 0.001], seeds=2, workers=workers)
        for data, workers in (((x, y), None), (tmp_path / "all.npz", 1))
    )
    assert _returned("train", found)["rows"] == _returned("train", expected)["rows"]
    assert len(found.rows) == 4


def test_a_surrogate_may_be_an_object(dlcli: Run, nets: Any, tmp_path: Path):
    x, y = _examples("float32")
    np.savez(tmp_path / "test.npz", x_test=x, y_test=y)
    network = ("--model", "nets_of_api.py:net", "--surrogate", "nets_of_api.py:net")
    expected = _printed(dlcli, "attack", "--method", "transfer", "--data", "test.npz", *network)
    found = library.attack(nets.net(), (x, y), method="transfer", surrogate=nets.net())
    assert _returned("attack", found) == expected


def test_images_are_predicted_as_by_the_command(dlcli: Run, nets: Any, tmp_path: Path):
    x, y = _examples("uint8")
    np.savez(tmp_path / "all.npz", x=x, y=y)
    np.save(tmp_path / "images.npy", x)
    for file, kinds in (("all.npz", KINDS), ("images.npy", {"images": lambda x, y: x, "tensor": lambda x, y: torch.tensor(x)})):
        expected = list(csv.reader(io.StringIO(dlcli("predict", "nets_of_api.py:net", file).stdout.decode())))
        for make in kinds.values():
            table = library.predict(nets.net(), make(x, y)).table
            assert [table.columns, *([str(cell) for cell in row] for row in table.rows)] == expected


def test_gradients_are_probed_and_networks_inflated_as_by_the_commands(dlcli: Run, nets: Any, tmp_path: Path):
    x, y = _examples("float32")
    np.savez(tmp_path / "test.npz", x_test=x, y_test=y)
    options = ("--walks", 2, "--points", 16)
    expected = _printed(dlcli, "probe-gradients", "--model", "nets_of_api.py:net", "--data", "test.npz", *options)
    for make in KINDS.values():
        found = _returned("probe_gradients", library.probe_gradients(nets.net(), make(x, y), walks=2, points=16))
        assert found == expected
    inflated = _printed(dlcli, "convert-2d-to-3d", "nets_of_api.py:colour", "--size", 16, "--rule", "i3d")
    assert _returned("convert_2d_to_3d", library.convert_2d_to_3d(nets.colour(), size=16, rule="i3d")) == inflated


class Interchanged:
    """A data frame of another library, which has the dataframe interchange protocol."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> Any:
        return self._frame.__dataframe__(nan_as_null, allow_copy)


class _Column:
    """A column as polars has it."""

    def __init__(self, name: str, cells: list[Any]) -> None:
        self.name, self._cells = name, cells

    def to_list(self) -> list[Any]:
        return self._cells

    def to_frame(self, name: str) -> "_Columns":
        return _Columns({name: self._cells})


class _Columns:
    """A data frame as polars has it, whose way to pandas needs a package that is not installed."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self._columns = columns

    def get_columns(self) -> list[_Column]:
        return [_Column(name, cells) for name, cells in self._columns.items()]

    def to_pandas(self) -> Any:
        raise ModuleNotFoundError("No module named 'pyarrow'")


def _polars() -> list[tuple[Any, Any]]:
    try:
        polars = importlib.import_module("polars")
    except ImportError:
        return [(_Columns, _Column)]
    return [(_Columns, _Column), (polars.DataFrame, polars.Series)]


@pytest.mark.parametrize(("frame", "series"), _polars())
def test_a_frame_of_polars_needs_no_other_package(frame: Any, series: Any, tmp_path: Path):
    day = datetime.date(2026, 1, 30)
    columns = {"id": [1, None, 3], "text": ["How do I sort a list?", "how to sort a list", None], "day": [day, None, day]}
    library.dedupe(frame(columns), column="text", output=tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = [row[:3] for row in csv.reader(file)]
    assert rows == [
        ["id", "text", "day"],
        ["1", "How do I sort a list?", "2026-01-30"],
        ["", "how to sort a list", ""],
        ["3", "", "2026-01-30"],
    ]
    assert library.dedupe(series("", columns["text"])).column == "text"
    assert library.dedupe(series("asked", columns["text"])).column == "asked"


def test_a_frame_that_needs_a_package_says_which():
    class Foreign:
        def to_pandas(self) -> Any:
            raise ModuleNotFoundError("No module named 'pyarrow'")

    with pytest.raises(library.DlcliError, match="Foreign: `to_pandas` fails: No module named 'pyarrow'"):
        library.dedupe(Foreign())


def test_texts_are_deduplicated_as_by_the_command(dlcli: Run, tmp_path: Path):
    frame = pd.DataFrame(
        {
            "id": range(6),
            "text": _TEXTS,
            "share": [0.5, None, 1.0, 1e-20, 3.0, 2.0],
            "day": pd.date_range("2026-01-30", periods=6),
        }
    )
    frame.to_csv(tmp_path / "table.csv", index=False)
    frame[["text"]].to_csv(tmp_path / "texts.csv", index=False)
    options = ("--column", "text", "--threshold", "0.3")
    whole = dlcli("dedupe", "table.csv", *options).stdout
    alone = dlcli("dedupe", "texts.csv", *options).stdout
    assert whole.count(b"\n") == alone.count(b"\n") == 7
    strings = pd.Series(_TEXTS, name="text", dtype="string")
    given = [(whole, frame), (whole, Interchanged(frame.astype({"day": str})))]
    given += [
        (alone, one) for one in (_TEXTS, tuple(_TEXTS), frame["text"], strings, pd.Series(_TEXTS), pd.Categorical(_TEXTS))
    ]
    for number, (expected, table) in enumerate(given):
        library.dedupe(table, column="text", threshold=0.3, output=tmp_path / f"{number}.csv")
        assert (tmp_path / f"{number}.csv").read_bytes() == expected


@pytest.mark.parametrize("name", library.__all__)
def test_every_function_has_the_options_of_its_command(name: str):
    if name not in RESULTS:
        return
    shown = inspect.signature(getattr(library, name)).parameters
    options = {item.name for item, _ in declared(config_class(command_of(name)))}
    assert set(shown) - options <= {"progress", "bounds"}
    assert options <= set(shown)
    assert all(one in (getattr(library, name).__doc__ or "") for one in options)


def test_bounds_are_those_of_the_network(nets: Any):
    x, y = _examples("float32")

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nets.net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner((x + 1) / 2)

    plainly = library.evaluate(nets.net(), (x, y))
    # 2x - 1 and back rounds, so single probabilities may differ in the last bit.
    scaled = library.evaluate(Scaled(), (x, y), bounds=(-1, 1))
    assert [one.estimate.value for one in scaled.metrics] == pytest.approx([one.estimate.value for one in plainly.metrics])
    with pytest.raises(ValueError, match="`bounds` and `normalise`"):
        library.evaluate(nets.net(), (x, y), bounds=(0, 255), normalise="imagenet")


def test_notes_are_shown_only_if_progress_is_asked_for(nets: Any, capfd: pytest.CaptureFixture[str]):
    x, y = _examples("float32")
    sets = {"train": (x[:40], y[:40]), "test": (x[40:], y[40:])}
    library.predict(nets.net(), sets)
    assert capfd.readouterr() == ("", "")
    library.predict(nets.net(), sets, progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "train to row 39, test to row 59" in shown.err


def test_progress_is_shown_from_any_thread(nets: Any):
    x, y = _examples("float32")
    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(library.train, nets.net(), (x, y), epochs=1, progress=True).result()
    assert found.rows[0].weights_sha256 == library.train(nets.net(), (x, y), epochs=1).rows[0].weights_sha256


def test_a_network_of_the_program_stays_as_it_is(nets: Any):
    x, y = _examples("float32")
    model = nets.net().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    library.train(model, (x, y), epochs=1)
    library.attack(model, (x, y), eps=0.1)
    assert model.training
    assert not model._forward_hooks
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda net: library.evaluate(net, (np.full((4, 8, 8), 3.0), [0, 1, 2, 0])), ValueError, "outside"),
        (lambda net: library.evaluate(net, (np.ones((4, 8, 8), np.int64), [0, 1, 2, 0])), ValueError, "uint8"),
        (lambda net: library.evaluate(net, (np.ones((4, 8, 8)), [0, 1])), ValueError, "4 images but"),
        (lambda net: library.evaluate(net, [1, 2, 3]), ValueError, "not a dataset|pair"),
        (lambda net: library.evaluate(net, "no/such.npz"), FileNotFoundError, "no such file"),
        (lambda net: library.evaluate(net, "no/such"), FileNotFoundError, "`data`: no such dataset"),
        (lambda net: library.evaluate("no/such", "digits"), FileNotFoundError, "no such run directory"),
        (lambda net: library.evaluate(3, "digits"), ValueError, "`model`: int is not a network"),
        (lambda net: library.attack(net, "digits", eps=-1), ValueError, "`eps`"),
        (lambda net: library.attack(net, "digits", steps="many"), ValueError, "`steps`: 'many' is not a number"),
        (lambda net: library.attack(net, "digits", epsilon=1), TypeError, r"attack\(\) got .* 'epsilon' \(did you mean eps\?"),
        (
            lambda net: library.train(epoch=3),
            TypeError,
            r"'epoch' \(did you mean epochs\?",
        ),
        (lambda net: library.train(xyzzy=3), TypeError, r"'xyzzy' \(help\(dlcli.train\) lists all\)"),
        (lambda net: library.train("digits", "lenet", 3, 4, 5), TypeError, r"train\(\) too many positional arguments"),
        (lambda net: attacks.PGD(step=3), ValueError, "no setting `step`"),
        (lambda net: library.dedupe([1, 2]), ValueError, "item 0 is int"),
        (lambda net: library.dedupe("no/such.csv"), FileNotFoundError, "no such file"),
        (lambda net: library.dedupe(3), ValueError, "not a table"),
    ],
)
def test_errors_are_of_the_kinds_of_python(nets: Any, call: Callable[[nn.Module], object], kind: type[Exception], words: str):
    with pytest.raises(kind, match=words):
        call(nets.net())


def test_warnings_of_an_engine_are_those_of_python(nets: Any):
    x, y = _examples("float32")

    class Probabilities(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nets.net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x).softmax(1)

    with pytest.warns(library.DlcliWarning, match="probabilities") as caught:
        library.evaluate(Probabilities(), (x, y))
    assert {one.filename for one in caught} == {__file__}


def test_a_data_frame_is_refused_as_a_dataset_of_images():
    frame = pd.DataFrame({"file": ["a.png"], "score": [1.0]})
    with pytest.raises(InputError, match="is a data frame, which holds no images"):
        library.train(data=frame, task="score", model="mlp", epochs=1)
