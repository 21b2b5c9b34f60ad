"""`resume` is one command line for all: it starts, goes on, or gives the result of a finished run again."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dlcli.core.model_io.checkpoint import load_state, read_metadata, save_state
from dlcli.engines import ensemble, train
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("more", [{}, {"dev": 0.2, "early_stop": ("loss", 1)}, {"surgery": ("elu",)}])
def test_a_finished_run_gives_its_result_again(tmp_path: Path, more: dict[str, object]):
    config = TrainConfig(epochs=2, limit=200, device="cpu", output=tmp_path / "r", resume=True, **more)
    first = train.run(config)
    before = content(tmp_path / "r")
    again = train.run(config)
    assert [replace(row, seconds=0) for row in again.rows] == [replace(row, seconds=0) for row in first.rows]
    assert again.notes == first.notes and content(tmp_path / "r") == before


def test_two_runs_leave_the_same_bytes(tmp_path: Path):
    config = TrainConfig(epochs=1, limit=200, device="cpu")
    for name in "ab":
        train.run(replace(config, output=tmp_path / name))
    assert content(tmp_path / "a") == content(tmp_path / "b")


IMAGES = "other images or labels (`data`, `limit`, `size`, `dev` choose them)"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"epochs": 3}, "`epochs=2`, not 3"),
        ({"seed": 1, "epochs": 3}, "`epochs=2`, not 3, and `seed=0`, not 1"),
        ({"lr": 0.5, "class_weights": True}, "`lr=0.002`, not 0.5, and no `class_weights`, not with it"),
        ({"precision": "float32", "clip_norm": 2.0}, "no `clip_norm`, not 2, and `precision=auto`, not float32"),
        ({"freeze": ("0",), "lr_for": ("10=0.01",)}, "no `freeze`, not 0, and no `lr_for`, not 10=0.01"),
        ({"optimizer": "sgd"}, "`optimizer=adam`, not sgd"),
        ({"limit": 101}, IMAGES),
        ({"model": "lenet", "size": 28}, f"{IMAGES}, and `model=digits-net`, not lenet"),
    ],
)
def test_a_finished_run_with_other_options_is_refused(tmp_path: Path, other: dict[str, object], said: str):
    config = TrainConfig(epochs=2, limit=100, lr=0.002, device="cpu", output=tmp_path / "r")
    train.run(config)
    with pytest.raises(UsageError, match=re.escape(f"was started with {said}") + "$"):
        train.run(replace(config, resume=True, **other))


def test_without_resume_a_finished_run_is_not_overwritten(tmp_path: Path):
    config = TrainConfig(epochs=1, limit=100, device="cpu", output=tmp_path / "r")
    train.run(config)
    with pytest.raises(UsageError, match="already holds a run"):
        train.run(config)


def test_an_ensemble_gives_its_result_again_and_grows(tmp_path: Path):
    config = EnsembleConfig(epochs=1, members=2, limit=100, device="cpu", output=tmp_path / "e", resume=True, workers=1)
    first = ensemble.run(config)
    again = ensemble.run(config)
    assert again.rows == first.rows and all(member.reused for member in again.members)
    assert len(ensemble.run(replace(config, members=3)).members) == 3
    with pytest.raises(UsageError, match="holds a finished ensemble of 3"):
        ensemble.run(config)


def test_any_flipped_bit_of_a_state_is_noticed(tmp_path: Path):
    import torch

    path = tmp_path / "state.safetensors"
    save_state(path, {"a": torch.arange(6.0), "b": torch.tensor(3)}, {"x": [1, None, "é"]})
    assert load_state(path, "").facts == {"x": [1, None, "é"]}
    whole = path.read_bytes()
    size = 8 + int.from_bytes(whole[:8], "little")
    for place in range(size, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError, match="damaged"):
            load_state(path, "")


def test_metadata_stand_in_the_order_of_their_names(tmp_path: Path):
    import torch

    names = [f"name {k}" for k in range(20)]
    for order in (names, names[::-1]):
        save_state(tmp_path / "s.safetensors", {"a": torch.zeros(2)}, dict.fromkeys(order))
    from dlcli.core.model_io.checkpoint import save_tensors

    save_tensors(tmp_path / "t.safetensors", {"a": torch.zeros(2)}, {name: "ä" for name in names[::-1]})
    content = (tmp_path / "t.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert list(header["__metadata__"]) == sorted(names) and read_metadata(tmp_path / "t.safetensors")["name 3"] == "ä"
