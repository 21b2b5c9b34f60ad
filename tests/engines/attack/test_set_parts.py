"""A set of images is made in parts, by as many processes as there are, and is the same whatever their number."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import BATCH_SIZE
from dlcli.engines import attack
from dlcli.engines.attack.crafting import AttackRun
from dlcli.engines.attack.resume import PartialResult
from dlcli.engines.attack.set_parts import joined, parts_of
from dlcli.specs.attack import AttackConfig, AttackResult
from dlcli.support.seeds import derive

CODE = """
from tests.engines.attack.test_networks import Fixed
def plain(classes): return Fixed(classes)
"""
EPS = 0.1


@given(n=st.integers(1, 5000), side=st.sampled_from([1, 32, 300]), device=st.sampled_from(["cpu", "meta"]))
def test_parts_are_all_images_in_order_in_whole_batches(n: int, side: int, device: str):
    x = torch.empty(1, 3, side, side).expand(n, -1, -1, -1)
    parts = [one.images for one in parts_of(load_attack("pgd"), x, torch.device(device))]
    batch = min(BATCH_SIZE, (4 << 20) // (12 * side * side)) if device == "cpu" else BATCH_SIZE
    assert parts[0].start == 0 and parts[-1].stop == n
    assert all(one.stop == other.start for one, other in zip(parts, parts[1:], strict=False))
    assert all((one.stop - one.start) % batch == 0 for one in parts[:-1])
    assert all(one.stop - one.start >= batch for one in parts) or len(parts) == 1


def test_queries_of_parts_are_those_of_an_image():
    parts = [PartialResult(torch.zeros(n, 1), queries, 1.0) for n, queries in ((3, 10.0), (1, 2.0))]
    assert joined(parts).queries == 8.0
    assert joined(parts).seconds == 2.0


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> AttackConfig:
    """An attack on 500 digits, which are two parts."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "nets.py").write_text(CODE)
    found = load_digits()
    x, y = (found.images[:, None] * (255 / 16)).astype(np.uint8), found.target.astype(np.int64)
    np.savez(folder / "digits.npz", x_train=x[:100], y_train=y[:100], x_test=x[100:600], y_test=y[100:600])
    return AttackConfig(
        model=f"{folder / 'nets.py'}:plain",
        data=str(folder / "digits.npz"),
        method=("pgd", "noise", "deepfool"),
        steps=5,
        eps=(EPS,),
        device="cpu",
        save=folder / "out.npz",
    )


@pytest.fixture(scope="module")
def whole(config: AttackConfig) -> tuple[AttackResult, dict[str, np.ndarray]]:
    return result_of(config)


def result_of(config: AttackConfig) -> tuple[AttackResult, dict[str, np.ndarray]]:
    """The result but for seconds, and the arrays that were written."""
    found = attack.run(config)
    rows = tuple(replace(row, seconds=0.0) for row in found.by_method)
    with np.load(str(config.save)) as saved:
        arrays = dict(saved)
    Path(str(config.save)).unlink()
    return replace(found, seconds_training=0.0, seconds_attack=0.0, by_method=rows), arrays


def test_two_processes_make_the_images_of_one(config: AttackConfig, whole: tuple[AttackResult, dict[str, np.ndarray]]):
    found, arrays = result_of(replace(config, workers=2))
    assert found == whole[0]
    assert arrays.keys() == whole[1].keys() and all(np.array_equal(arrays[name], whole[1][name]) for name in arrays)


def test_parts_together_are_the_set_that_the_attack_makes_at_once(config: AttackConfig, tmp_path: Path):
    only = replace(config, method="noise", save=tmp_path / "saved.npz", seed=3, steps=None)
    attack.run(only)
    with np.load(tmp_path / "saved.npz") as saved:
        x, y, found = torch.from_numpy(saved["x_clean"]), torch.from_numpy(saved["y"]), saved[f"x_{EPS}"]
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    made = load_attack("noise")(model, x, y, eps=EPS, seed=derive(3, "attack", "noise"))
    assert np.array_equal(found, made.numpy())


def test_an_interrupted_set_goes_on_at_the_part_that_is_missing(
    config: AttackConfig, whole: tuple[AttackResult, dict[str, np.ndarray]], monkeypatch: pytest.MonkeyPatch
):
    made, real = [], AttackRun.make_images

    def limited(self: AttackRun, *rest: object) -> PartialResult:
        made.append(rest[-1].name)
        if len(made) == 2:
            raise KeyboardInterrupt
        return real(self, *rest)

    monkeypatch.setattr(AttackRun, "make_images", limited)
    with pytest.raises(KeyboardInterrupt):
        attack.run(config)
    assert made == [" part 1 of 2", " part 2 of 2"]
    found, arrays = result_of(replace(config, resume=True))
    assert made[2:].count(" part 1 of 2") == made[2:].count(" part 2 of 2") - 1
    assert found == whole[0]
    assert all(np.array_equal(arrays[name], whole[1][name]) for name in arrays)
