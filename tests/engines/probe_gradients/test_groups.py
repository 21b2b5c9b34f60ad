"""Probing a network that was trained by group: on the test images of its training, with films for units."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from dlcli.core.gradients.lesion import Lesion
from dlcli.engines import eval, probe_gradients, train
from dlcli.engines.probe_gradients import trials
from dlcli.engines.probe_gradients.engine import lesion_rows
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.probe_gradients import Cause, ProbeGradientsConfig
from dlcli.specs.train import TrainConfig

FRAMES = 4
SURGERY = "residual-scale=0.1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Data without a test set, and a network: films are of either class at random, so that only seen ones can be known."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("films")
    film = np.repeat(np.arange(60), FRAMES)
    x = np.clip(random.random((60, 8, 8))[film] + random.normal(0, 0.05, (len(film), 8, 8)), 0, 1).astype(np.float32)
    np.savez(folder / "films.npz", x=x, y=random.integers(0, 2, 60)[film], film=film)
    options = {"model": "resnet-4", "group": "film", "epochs": 12, "device": "cpu"}
    train.run(TrainConfig(data=str(folder / "films.npz"), output=folder / "run", **options))
    return folder / "films.npz", folder / "run"


def test_blocks_are_removed_on_the_test_images_of_the_training(trained: tuple[Path, Path]) -> None:
    data, run = trained
    measured = eval.run(EvalConfig(model=str(run), data=str(data), device="cpu"))
    assert isinstance(measured, EvalResult) and measured.n_groups == 12
    config = ProbeGradientsConfig(model=str(run), data=str(data), lesion=True, walks=2, points=8, device="cpu")
    result = probe_gradients.run(config)
    whole, *others = result.lesions
    assert whole.accuracy == measured.metrics[0].estimate and whole.accuracy.value < 0.8
    assert all(one.accuracy.n == 12 * FRAMES for one in others)
    assert "Intervals are by 'film', of which there are 12 groups: images of one are not independent." in result.notes


def test_blocks_are_compared_by_films() -> None:
    """A block that matters for six films: all have one sign by chance in two of 64 cases."""
    right, group = np.ones(160, dtype=bool), np.arange(160) // FRAMES
    without = group >= 6
    whole, one = Lesion("", "", torch.from_numpy(right)), Lesion("2", "Block", torch.from_numpy(without))
    _, by_image = lesion_rows(whole, one)
    _, by_film = lesion_rows(whole, one, group=group)
    assert by_image.p == pytest.approx(2 * 0.5 ** (6 * FRAMES)) and by_film.p == pytest.approx(2 / 64, abs=0.01)
    assert by_image.change is not None and by_film.change is not None and by_image.change.value == by_film.change.value
    assert by_film.change.low < by_image.change.low and by_film.change.high > by_image.change.high
    assert by_film.accuracy.low < by_image.accuracy.low


def test_surgeries_are_tried_by_group(trained: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    data, run = trained
    asked: list[TrainConfig] = []
    commands: list[str | None] = []

    class Trained(Exception):
        """Nothing is trained here."""

    def compare(config: TrainConfig, *_: object) -> None:
        asked.append(config)
        raise Trained

    def causes(_: object, command: Callable[[str], str | None]) -> tuple[Cause, ...]:
        commands.append(command(SURGERY))
        return (Cause(name="depth", evidence="", suggestions=(), surgeries=(SURGERY,)),)

    monkeypatch.setattr(trials, "compare_surgeries", compare)
    monkeypatch.setattr("dlcli.engines.probe_gradients.engine.causes", causes)
    config = ProbeGradientsConfig(model=str(run), data=str(data), try_suggested=True, walks=2, points=8, device="cpu")
    with pytest.raises(Trained):
        probe_gradients.run(config)
    assert [one.group for one in asked] == ["film"]
    (command,) = commands
    assert command is not None and "--group film" in command
