"""Scores of videos: clips through every command, and scorers of images that were converted to networks for clips."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dlcli.core.model_io.converted import load_video_network
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.model_io.score_metadata import task_of
from dlcli.engines import attack, convert_2d_to_3d, ensemble, predict, train
from dlcli.engines import eval as evaluate
from dlcli.specs.attack import AttackConfig
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.score_attack import ScoreAttackResult
from dlcli.specs.scores import ScoreEvalResult, ScoreTrainResult
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from tests.core.data.videos import film
from tests.scored import integer_scores, table_folder, write_table

SCORES = [k % 5 for k in range(20)]
NET = """
from torch import nn

def net(channels, classes, frames):
    layers = [nn.Conv3d(channels, 4, (frames, 3, 3), stride=(frames, 2, 2)), nn.Tanh(), nn.AdaptiveAvgPool3d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, classes))
"""


def frames(score: int, k: int) -> list[np.ndarray]:
    """Three grey frames, lighter the higher the score."""
    return [np.full((24, 32, 3), 30 + 40 * score + 2 * t + k % 3, np.uint8) for t in range(3)]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films with a table of their scores, the same in a folder per score, and a network for clips."""
    root = tmp_path_factory.mktemp("films")
    names = [f"{k:02}.mkv" for k in range(len(SCORES))]
    for k, (name, score) in enumerate(zip(names, SCORES, strict=True)):
        for path in (root / "table" / name, root / "folders" / str(score) / name):
            film(path, 3, pixels=frames(score, k))
    write_table(root / "table" / "labels.csv", {"file": names, "score": SCORES})
    (root / "net.py").write_text(NET)
    return root


def config(films: Path, data: str = "table", **changes: object) -> TrainConfig:
    settings = {"task": "score", "epochs": 20, "batch_size": 4, "lr": 0.05, "frames": 3, "size": 8, "device": "cpu"}
    settings |= {"model": f"{films}/net.py:net", "data": str(films / data)}
    return TrainConfig(trust_code=True, **(settings | changes))


def test_clips_with_scores_go_through_every_command(films: Path, tmp_path: Path):
    result = train.run(config(films, output=tmp_path / "run"))
    assert isinstance(result, ScoreTrainResult) and result.unit == "video"
    judged = {"model": str(tmp_path / "run"), "data": str(films / "table"), "device": "cpu", "trust_code": True}
    found = evaluate.run(EvalConfig(**judged, output=tmp_path / "report"))
    assert isinstance(found, ScoreEvalResult)
    assert found.metrics == result.rows[0].metrics
    assert (tmp_path / "report" / "report.html").is_file()
    table = predict.run(PredictConfig(**judged)).table
    assert table.columns[1:3] == ["file", "score"] and len(table.rows) == len(SCORES)
    assert abs(np.corrcoef([row[2] for row in table.rows], SCORES)[0, 1]) > 0.5
    moved = attack.run(AttackConfig(**judged, eps=0.05, output=tmp_path / "attack"))
    assert isinstance(moved, ScoreAttackResult) and moved.unit == "video"
    assert moved.headline.change.value > 0
    with pytest.raises(InputError, match="`explain` takes images"):
        evaluate.run(EvalConfig(**judged, explain="occlusion", output=tmp_path / "explained"))


def test_a_folder_per_score_is_the_table(films: Path):
    one, other = (train.run(config(films, data, epochs=1)) for data in ("table", "folders"))
    assert one.rows[0].weights_sha256 == other.rows[0].weights_sha256


def test_an_ensemble_takes_images_only(films: Path):
    with pytest.raises(UsageError, match="holds clips of video, and this command takes images only"):
        ensemble.run(EnsembleConfig(data=str(films / "table"), task="score", members=2, device="cpu"))


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scorer of images in a run directory."""
    root = tmp_path_factory.mktemp("scorer")
    folder = table_folder(root / "t", integer_scores(60, levels=5))
    for path in folder.glob("*.png"):
        Image.open(path).convert("RGB").save(path)
    train.run(
        TrainConfig(
            data=str(folder),
            task="score",
            model="cifar-resnet-8",
            epochs=1,
            size=16,
            score_column="score",
            device="cpu",
            output=root / "run",
        )
    )
    return root / "run"


def test_a_converted_scorer_gives_still_clips_the_scores_of_their_images(scorer: Path, tmp_path: Path):
    video = tmp_path / "video.safetensors"
    result = convert_2d_to_3d.run(Convert2DTo3DConfig(model=str(scorer), frames=3, output=video))
    assert result.failed == "" and result.worst < 1e-12
    before, after = task_of(str(scorer)).scores, task_of(str(video)).scores
    assert before is not None and after is not None
    assert (after.objective, after.mean, after.column) == (before.objective, before.mean, "score")
    assert after.residual is None  # which is that of errors on images
    image = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        flat = load_model(scorer, torch.device("cpu")).model(image)
        clip = load_video_network(video, torch.device("cpu")).model(image[:, :, None].expand(-1, -1, 3, -1, -1))
    assert torch.allclose(flat, clip, atol=1e-5)
    assert json.loads((tmp_path / "video.json").read_text())["learned"]["task"] == "score"


def test_a_converted_scorer_is_evaluated_and_trained_on_clips(scorer: Path, films: Path, tmp_path: Path):
    video = tmp_path / "video.safetensors"
    convert_2d_to_3d.run(Convert2DTo3DConfig(model=str(scorer), frames=3, output=video))
    judged = {"model": str(video), "data": str(films / "table"), "device": "cpu"}
    found = evaluate.run(EvalConfig(**judged, frames=3))
    assert isinstance(found, ScoreEvalResult)
    values = predict.run(PredictConfig(**judged, frames=3)).table
    assert values.columns[2:] == ["score", "low", "high"] and values.rows[0][3] is None
    trained = train.run(config(films, model=str(video), size=16, epochs=1, output=tmp_path / "run"))
    assert isinstance(trained, ScoreTrainResult)
    again = evaluate.run(EvalConfig(model=str(tmp_path / "run"), data=str(films / "table"), device="cpu"))
    assert isinstance(again, ScoreEvalResult)
    assert again.metrics == trained.rows[0].metrics
