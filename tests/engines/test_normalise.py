"""A network's normalisation is kept with it and used again by every command that opens it."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.data import open_data
from dlcli.core.evaluation import input_detective
from dlcli.core.layers.normalise import Normalised, normalised
from dlcli.core.model_io.converted import load_video_network
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.models.zoo import digits_net
from dlcli.engines import attack, convert_2d_to_3d, ensemble, predict, train
from dlcli.engines import eval as evaluation
from dlcli.specs.attack import AttackConfig
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError

CPU = torch.device("cpu")
HOW = "0.3/0.4"
CODE = """
import torch
from dlcli.core.models.zoo import digits_net


def net(channels, size, classes):
    torch.manual_seed(0)
    return digits_net.build(channels, size, classes)
"""


FED_255 = """
import torch
from torch import nn
from dlcli.core.data import open_data


def net():
    data = open_data("digits")
    x, y = data.x_train.flatten(1), nn.functional.one_hot(data.y_train, 10).float()
    head = nn.Linear(64, 10)
    head.weight.data = 8 * torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], 1), y).solution[:-1].T / 255
    head.bias.data = 8 * torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], 1), y).solution[-1]
    return nn.Sequential(nn.Flatten(), head)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that was trained behind a normalisation."""
    folder = tmp_path_factory.mktemp("normalise") / "run"
    train.run(TrainConfig(epochs=2, normalise=HOW, output=folder))
    return folder


def top_1(result):
    return next(one.estimate.value for one in result.metrics if one.name == "top-1")


def test_a_run_records_its_normalisation_and_is_opened_with_it(run):
    assert json.loads((run / "model.json").read_text())["normalise"] == HOW
    saved, data = load_model(run, CPU), open_data("digits")
    x = (data.x_test - 0.3) / 0.4
    with torch.no_grad():
        by_hand = saved.model.inner(x).argmax(1)
    right = float((by_hand == data.y_test).float().mean())
    assert isinstance(saved.model, Normalised) and right > 0.8
    assert top_1(evaluation.run(EvalConfig(model=str(run)))) == pytest.approx(right)
    labels = [row[1] for row in predict.run(PredictConfig(model=str(run))).table.rows]
    assert labels == [data.classes[k] for k in by_hand]


def test_what_is_typed_replaces_what_is_recorded_with_a_note(run):
    changed = evaluation.run(EvalConfig(model=str(run), normalise="0-255"))
    assert top_1(changed) != top_1(evaluation.run(EvalConfig(model=str(run))))
    assert any("replaces what digits-net was trained with: 0.3/0.4" in note for note in changed.notes)
    same = evaluation.run(EvalConfig(model=str(run), normalise=HOW))
    assert not any("replaces" in note for note in same.notes)


def test_an_attack_perturbs_pixels_behind_the_normalisation(run, tmp_path):
    attack.run(AttackConfig(model=str(run), eps=(0.1,), limit=40, save=tmp_path / "a.npz"))
    arrays, inner = np.load(tmp_path / "a.npz"), load_model(run, CPU).model.inner
    change = arrays["x_0.1"] - arrays["x_clean"]
    assert np.abs(change).max() == pytest.approx(0.1, abs=1e-6)
    x = torch.from_numpy(arrays["x_clean"]).requires_grad_()
    nn.functional.cross_entropy(inner((x - 0.3) / 0.4), torch.from_numpy(arrays["y"]).long(), reduction="sum").backward()
    free = (arrays["x_clean"] > 0.1) & (arrays["x_clean"] < 0.9) & (change != 0)
    assert free.any() and np.array_equal(np.sign(change[free]), np.sign(x.grad.numpy()[free]))


def test_members_of_an_ensemble_keep_theirs(tmp_path):
    ensemble.run(EnsembleConfig(members=2, epochs=1, normalise=HOW, workers=1, output=tmp_path / "e"))
    assert json.loads((tmp_path / "e" / "members" / "001" / "model.json").read_text())["normalise"] == HOW
    stacked = EnsembleConfig(members=2, epochs=1, normalise=HOW, strategy="stacked", output=tmp_path / "s")
    ensemble.run(stacked)
    both = [evaluation.run(EvalConfig(model=str(tmp_path / name))) for name in "es"]
    assert abs(top_1(both[0]) - top_1(both[1])) < 0.02
    other = evaluation.run(EvalConfig(model=str(tmp_path / "e"), normalise="none"))
    assert top_1(other) != top_1(both[0])


def test_a_converted_network_keeps_that_of_its_source(run, tmp_path):
    found = convert_2d_to_3d.run(Convert2DTo3DConfig(model=str(run), rule="i3d", frames=2, output=tmp_path / "v.safetensors"))
    assert not found.failed
    video, metadata = load_video_network(tmp_path / "v.safetensors", CPU)
    x = open_data("digits").x_test[:5]
    with torch.no_grad():
        flat, still = load_model(run, CPU).model(x), video(x.unsqueeze(2).repeat(1, 1, 3, 1, 1))
    assert metadata.image_network.normalise == HOW and torch.allclose(flat, still, atol=1e-5)


def test_a_converted_network_may_be_given_another(run, tmp_path):
    config = Convert2DTo3DConfig(model=str(run), rule="i3d", frames=2, normalise="0-255", output=tmp_path / "v.safetensors")
    convert_2d_to_3d.run(config)
    video, _ = load_video_network(tmp_path / "v.safetensors", CPU)
    assert video.how.name == "0-255"


def test_a_card_of_an_older_version_is_read(run, tmp_path):
    old = tmp_path / "old"
    card = json.loads((run / "model.json").read_text())
    del card["normalise"]
    old.mkdir()
    (old / "weights.safetensors").write_bytes((run / "weights.safetensors").read_bytes())
    (old / "model.json").write_text(json.dumps(card | {"normalised": True}))
    with pytest.raises(InputError, match="imagenet is for images of 3 channels"):
        load_model(old, CPU)
    (old / "model.json").write_text(json.dumps(card | {"normalise": "imagenot"}))
    with pytest.raises(InputError, match="normalise is 'imagenot', which this version does not know"):
        load_model(old, CPU)


def test_scalar_networks_have_no_normalisation():
    with pytest.raises(UsageError, match="`normalise`: needs a network"):
        ProbeGradientsConfig(normalise="0-255")


def test_the_wrapper_is_around_what_the_code_returns(tmp_path):
    (tmp_path / "nets.py").write_text(CODE)
    torch.manual_seed(0)
    inner = digits_net.build(1, (8, 8), 10).eval()
    data = open_data("digits")
    with torch.no_grad():
        right = (normalised(inner, "0-255")(data.x_test).argmax(1) == data.y_test).float().mean()
    found = evaluation.run(EvalConfig(model=f"{tmp_path}/nets.py:net", normalise="0-255"))
    assert top_1(found) == pytest.approx(float(right))


@pytest.mark.parametrize(("budget", "images", "looked"), [(1e12, 256, True), (0.0, 256, False), (0.0, 48, True)])
def test_a_search_longer_than_the_task_is_told_of_and_any_other_is_made(tmp_path, monkeypatch, budget, images, looked):
    monkeypatch.setattr(input_detective, "BUDGET", budget)
    monkeypatch.setattr("dlcli.core.model_io.trained.images_needed", lambda *_: images)
    (tmp_path / "net.py").write_text(FED_255, encoding="utf-8")
    result = evaluation.run(EvalConfig(model=f"{tmp_path}/net.py:net"))
    told = [note for note in result.notes if "was not checked" in note]
    warned = [note for note in result.notes if "seems to be fed wrongly" in note]
    assert (len(told), len(warned)) == ((0, 1) if looked else (1, 0))
    assert all(note.endswith("pass `normalise=0-255`") or "0-255" in note for note in warned)
