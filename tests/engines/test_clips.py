"""Videos through train, eval and predict, and refused by what takes images only."""

import json

import pytest
import torch

from dlcli.engines import attack, ensemble, predict, probe_gradients, train
from dlcli.engines import eval as evaluate
from dlcli.specs.attack import AttackConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT, Reporter
from tests.core.data.videos import film

_NET = """
from torch import nn

def net(channels, classes, frames):
    layers = [nn.Conv3d(channels, 4, (frames, 3, 3), stride=(frames, 2, 2)), nn.ReLU(), nn.AdaptiveAvgPool3d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(4, classes))
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def folder(tmp_path):
    """Dark and light videos, and a network for clips."""
    for name, lighter in (("dark", 0), ("light", 8)):
        for part, n in (("train", 6), ("test", 3)):
            for k in range(n):
                film(tmp_path / "films" / part / name / f"{k}.mkv", times=[0, 100 + k, 300, 600, 900 + lighter])
    (tmp_path / "net.py").write_text(_NET)
    return tmp_path


def _config(folder, **more):
    settings = {"epochs": 3, "batch_size": 4, "frames": 3, "size": 8, "device": "cpu", "augment": ("horizontal-flip", "crop")}
    settings["model"] = f"{folder}/net.py:net"
    return TrainConfig(trust_code=True, data=str(folder / "films"), **(settings | more))


def test_a_network_trained_on_clips_is_judged_on_such_without_a_word(folder):
    config = _config(folder, clips=2, output=folder / "run")
    row = train.run(config).rows[0]
    card = json.loads((folder / "run" / "model.json").read_text())
    assert (card["frames"], card["clips"], card["size"]) == (3, 2, [8, 8])
    films = {"model": str(folder / "run"), "data": str(folder / "films"), "device": "cpu"}
    same = evaluate.run(EvalConfig(trust_code=True, **films, clips=2))
    assert same.unit == "video"
    assert (same.n_images, same.metrics[0].estimate.value) == (6, row.accuracy.value)
    assert evaluate.run(EvalConfig(trust_code=True, **films, output=folder / "report")).n_images == 6
    assert (folder / "report" / "report.html").exists()
    assert "6 test videos of 3x3x8x8" in "".join(evaluate.plan(EvalConfig(trust_code=True, **films)))
    assert len(predict.run(PredictConfig(trust_code=True, **films, clips=3, split="test")).table.rows) == 6
    untrained = EvalConfig(trust_code=True, data=films["data"], arch="besnet18", summary=True, frames=3, size=16, device="cpu")
    assert evaluate.plan(untrained)[0] == "build besnet18 for videos of 3x3x16x16"


def test_the_mean_of_the_answers_on_single_clips_is_the_answer(folder):
    """Two clips of three frames are the even and the odd of six: what is said of each alone is what is averaged."""
    train.run(_config(folder, output=folder / "run"))
    films = {"model": str(folder / "run"), "data": str(folder / "films"), "device": "cpu", "top": 2}
    both = predict.run(PredictConfig(trust_code=True, **films, clips=2, split="test")).table.rows
    from dlcli.core.data import open_data
    from dlcli.core.data.base import Sampling
    from dlcli.core.model_io.run_dir import load_model

    six = open_data(str(folder / "films"), size=8, sampling=Sampling(6))
    model = load_model(folder / "run", torch.device("cpu")).model
    logits = (model(six.x_test[:, :, 0::2]) + model(six.x_test[:, :, 1::2])) / 2
    assert [row[3] for row in both] == pytest.approx(logits.softmax(1).max(1).values.tolist(), abs=2e-6)


class _Stops(Reporter):
    """Asks to stop after so many questions."""

    def __init__(self, after):
        self.left = after

    def note(self, text):
        pass

    def warn(self, text):
        pass

    def task(self, label, total=None):
        return SILENT.task(label, total)

    def log(self, run, epoch, figures, *, final=False):
        pass

    def stoppable(self):
        from contextlib import nullcontext

        return nullcontext(self._stop)

    def _stop(self):
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("after", [1, 5])
def test_a_training_that_was_stopped_ends_with_the_same_bits(folder, after):
    whole = train.run(_config(folder, clips=2)).rows[0]
    config = _config(folder, clips=2, output=folder / "run")
    train.run(config, report=_Stops(after))
    assert not (folder / "run" / "model.json").exists()
    continued = train.run(_config(folder, clips=2, output=folder / "run", resume=True)).rows[0]
    assert continued.weights_sha256 == whole.weights_sha256


def test_adversarial_training_on_clips_runs(folder):
    assert train.run(_config(folder, epochs=1, adversarial=("fgsm", 0.1, 0.5))).rows


def test_a_network_for_images_fails_on_clips_with_a_hint(folder):
    with pytest.raises(InputError, match="lenet: the model fails on clips of shape 3x3x28x28") as caught:
        train.run(_config(folder, model="lenet", size=28))
    assert "`model=besnet18`" in caught.value.hint


def test_a_network_for_videos_must_be_named_and_be_there(folder):
    with pytest.raises(UsageError, match="no default network for videos") as caught:
        train.run(_config(folder, model=None))
    assert "`model=besnet18`" in caught.value.hint
    with pytest.raises(InputError, match="absent.safetensors: no such file"):
        train.run(_config(folder, model="absent.safetensors"))


def test_a_run_on_images_is_not_for_clips_nor_the_other_way_round(folder):
    train.run(TrainConfig(trust_code=True, epochs=1, device="cpu", limit=50, output=folder / "digits"))
    with pytest.raises(InputError, match="was trained on images, and .* holds videos"):
        evaluate.run(EvalConfig(trust_code=True, model=str(folder / "digits"), data=str(folder / "films"), device="cpu"))
    train.run(_config(folder, epochs=1, output=folder / "run"))
    with pytest.raises(InputError, match="was trained on clips of 3 frames, and digits holds images"):
        evaluate.run(EvalConfig(trust_code=True, model=str(folder / "run"), data="digits", device="cpu"))


@pytest.mark.parametrize(
    ("engine", "config"), [(attack, AttackConfig), (ensemble, EnsembleConfig), (probe_gradients, ProbeGradientsConfig)]
)
def test_commands_for_images_refuse_videos(folder, engine, config):
    with pytest.raises(UsageError, match="holds clips of video, and this command takes images only"):
        engine.run(config(data=str(folder / "films"), model="mlp", device="cpu"))


@pytest.fixture
def one_thread():
    """What it takes for the same bits from a comparison, whose networks have a thread each, and a run of its own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_dilations_are_compared_in_pairs_from_the_same_weights_and_a_stop_costs_nothing(tmp_path):
    """besnet18: the sides of a pair differ by the dilation alone, and a run that was stopped draws the same ones."""
    settings = {"data": "moving-digits", "model": "besnet18", "limit": 8, "size": 16, "frames": 4, "device": "cpu"}
    once = {"epochs": 2, "batch_size": 4}
    found = train.run(TrainConfig(trust_code=True, **settings, **once, versus="--with fixed-dilation=1", seeds=2, workers=1))
    sides = [[row.weights_sha256 for row in found.rows if (row.variant == "this") == drawn] for drawn in (True, False)]
    assert len({*sides[0], *sides[1]}) == 4
    assert "fixed-dilation=1: " in "".join(found.notes)
    train.run(TrainConfig(trust_code=True, **settings, **once, output=tmp_path / "run"), report=_Stops(2))
    assert not (tmp_path / "run" / "model.json").exists()
    row = train.run(TrainConfig(trust_code=True, **settings, **once, output=tmp_path / "run", resume=True)).rows[0]
    assert row.weights_sha256 == sides[0][0]
    card = json.loads((tmp_path / "run" / "model.json").read_text())
    assert (card["model"], card["frames"]) == ("besnet18", 4)
    judged = evaluate.run(
        EvalConfig(trust_code=True, model=str(tmp_path / "run"), data="moving-digits", limit=8, size=16, device="cpu")
    )
    assert judged.model_sha256 == row.weights_sha256
