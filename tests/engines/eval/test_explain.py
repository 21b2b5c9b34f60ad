"""Maps of `dlcli eval` and `dlcli predict`, of a network whose answer is known to depend on one quadrant."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlcli.engines import eval as evaluate
from dlcli.engines import predict, train
from dlcli.specs.estimates import PointEstimate
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT
from tests.core.data.pictures import picture
from tests.scored import integer_scores, table_folder

NETS = '''
import torch
from torch import nn


class Corner(nn.Module):
    """Whether the upper left quadrant is bright, read by a convolution that sees nothing else."""

    def __init__(self, classes=2):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 1, 1), nn.Linear(1, 2)
        for weight, value in ((self.conv.weight, 1), (self.conv.bias, 0), (self.fc.bias, 0)):
            nn.init.constant_(weight, value)
        self.fc.weight.data = torch.tensor([[-8.0], [8.0]])

    def forward(self, x):
        return self.fc(self.conv(x[:, :, :8, :8] - 0.5).mean((2, 3)))


def mlp(classes=2):
    return nn.Sequential(nn.Flatten(), nn.Linear(256, 2))


def clips(classes):
    return nn.Sequential(nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(24, classes))
'''


@pytest.fixture
def config(tmp_path: Path) -> EvalConfig:
    (tmp_path / "nets.py").write_text(NETS)
    draws = np.random.default_rng(0)
    y = np.arange(40) % 2
    x = draws.uniform(0, 1, (40, 16, 16)).astype(np.float32)
    x[:, :8, :8] = 0.3 * x[:, :8, :8] + 0.7 * y[:, None, None]
    np.savez(tmp_path / "corner.npz", x_train=x, y_train=y, x_test=x, y_test=y, film=np.arange(40) // 10)
    output = tmp_path / "out"
    model = f"{tmp_path}/nets.py:Corner"
    return EvalConfig(
        model=model, data=f"{tmp_path}/corner.npz", explain="occlusion", device="cpu", output=output, normalise="none"
    )


@pytest.mark.parametrize("method", ["occlusion", "grad-cam", "integrated-gradients"])
def test_the_maps_show_the_quadrant_that_the_network_reads(config, method):
    done = evaluate.run(replace(config, explain=method))
    found = done.explanation
    assert found is not None
    assert len(found.images) == len(found.names) == 16
    assert len(set(found.images)) == 16 and max(found.images) >= 36
    for name in found.names:
        strength, signed = (np.load(config.output / "explain" / f"{name}{end}.npy") for end in ("", "-signed"))
        assert strength.shape == signed.shape == (16, 16)
        assert strength.dtype == signed.dtype == np.float32
        if method != "grad-cam":  # its map is of the features, which are the quadrant itself, resized to the image
            assert strength[12:].max() < 1e-6 and strength[:, 12:].max() < 1e-6
            assert strength[:8, :8].mean() > 1e-3
    if method == "occlusion":
        assert found.window == 4
        assert found.faithfulness.faithful
        assert "established, so the maps are faithful" in done.notes[0]
        assert found.faithfulness.minus_elsewhere.n == 16
        # A tenth of the image is less than half of the quadrant, whose mean decides.
        assert found.faithfulness.other_class == 0
        assert "changes the predicted class of 0% of the images" in done.notes[1]
        page = (config.output / "report.html").read_text()
        assert page.count("where it matters") == 16
        assert "established, so the maps are faithful" in page


def test_of_scores_any_change_counts(tmp_path):
    folder = table_folder(tmp_path / "scored", integer_scores(40))
    train.run(TrainConfig(task="score", data=str(folder), model="lenet", epochs=1, output=tmp_path / "run", device="cpu"))
    output = tmp_path / "out"
    done = evaluate.run(EvalConfig(model=str(tmp_path / "run"), explain="occlusion", output=output, device="cpu"))
    found = done.explanation.faithfulness
    assert found.change > 0
    assert found.other_class is found.other_class_minus_elsewhere is None
    text = next(note for note in done.notes if note.startswith("Hiding"))
    assert "changes the predicted score by" in text
    for name in done.explanation.names:
        assert np.load(output / "explain" / f"{name}.npy").min() >= 0


def test_maps_name_small_scores_by_their_digits(tmp_path):
    scores = [1e-5 * (score + 1) for score in integer_scores(40)]
    folder = table_folder(tmp_path / "scored", scores)
    train.run(TrainConfig(task="score", data=str(folder), model="lenet", epochs=1, output=tmp_path / "run", device="cpu"))
    output = tmp_path / "out"
    evaluate.run(EvalConfig(model=str(tmp_path / "run"), explain="occlusion", limit=1, output=output, device="cpu"))
    alts = re.findall(r'alt="(.*?): where it matters"', (output / "report.html").read_text())
    assert len(alts) == 1
    assert re.search(r"\d(\.\d+)?e-0[56]", alts[0])
    assert "0.00" not in alts[0]


def test_maps_of_an_earlier_run_do_not_stay(config):
    evaluate.run(replace(config, limit=4))
    evaluate.run(replace(config, limit=3))
    assert sorted(path.name for path in (config.output / "explain").glob("*.png")) == [f"{k}-occlusion.png" for k in range(3)]


def test_intervals_are_by_group(config):
    found = evaluate.run(replace(config, group="film", limit=12)).explanation
    assert found.faithfulness.minus_elsewhere.n == 2
    one = evaluate.run(replace(config, group="film", limit=4)).explanation
    assert isinstance(one.faithfulness.minus_elsewhere, PointEstimate)


def test_without_explain_there_are_no_maps(config):
    done = evaluate.run(replace(config, explain=None))
    assert done.explanation is None
    assert not (config.output / "explain").exists()


def test_a_network_without_feature_maps_is_refused_by_grad_cam(config, tmp_path):
    with pytest.raises(InputError, match="no spatial feature map") as refused:
        evaluate.run(replace(config, model=f"{tmp_path}/nets.py:mlp", explain="grad-cam"))
    assert "no convolution" in refused.value.hint
    assert not config.output.exists()


def test_videos_are_refused(config):
    with pytest.raises(InputError, match="`explain` takes images, and moving-digits has videos"):
        evaluate.run(replace(config, model=config.model.replace("Corner", "clips"), data="moving-digits", size=16, frames=4))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"output": None}, "`explain` needs `output`"),
        ({"explain": None, "window": 3}, "`window` needs `explain`"),
        ({"explain": None, "baseline": "blur"}, "`baseline` needs `explain`"),
        ({"explain": "grad-cam", "window": 3}, "`window` needs `explain=occlusion`"),
        ({"tta": True}, "`explain` and `tta` cannot be combined"),
        ({"summary": True}, "`explain` and `summary` cannot be combined"),
        ({"explain": "lime"}, "'lime' is not one of"),
        ({"baseline": "noise"}, "'noise' is not one of"),
        ({"window": 0}, "`window`: 0 is below 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(config, values, message):
    with pytest.raises(UsageError, match=message):
        replace(config, **values)


class Notes:
    """A reporter that keeps what is reported."""

    def __init__(self):
        self.notes = []
        self.task, self.stoppable, self.warn = SILENT.task, SILENT.stoppable, SILENT.warn

    def note(self, text):
        self.notes.append(text)


def photos(folder, *names):
    """Grey images of 16 x 16 pixels."""
    for k, name in enumerate(names):
        picture(folder / name, np.tile(np.linspace(10 * k, 255, 16).astype(np.uint8)[:, None], 16))
    return str(folder)


@pytest.mark.parametrize(
    ("files", "names"), [(("b.png", "c/a.png"), ["a", "b"]), (("a.png", "c/a.png", "d.png"), ["0", "1", "2"])]
)
def test_predict_names_maps_by_the_files_if_these_differ(config, tmp_path, files, names):
    maps = tmp_path / "maps"
    base = PredictConfig(model=config.model, data=photos(tmp_path / "p", *files), explain="grad-cam", maps=maps, device="cpu")
    found = predict.run(base).explanation
    assert sorted(found.names) == [f"{name}-grad-cam" for name in names]
    expected = {f"{name}-grad-cam{end}" for name in names for end in (".png", ".npy", "-signed.npy")}
    assert {path.name for path in maps.iterdir()} == expected


def test_of_one_image_predict_reports_no_interval(config, tmp_path):
    report = Notes()
    maps = tmp_path / "maps"
    base = PredictConfig(model=config.model, data=photos(tmp_path / "p", "a.png"), explain="occlusion", maps=maps, device="cpu")
    assert predict.run(base, report=report).explanation.images == (0,)
    assert any("no interval: 1 image" in note for note in report.notes)


def test_predict_needs_a_folder_for_maps(config, tmp_path):
    base = PredictConfig(model=config.model, data=config.data)
    with pytest.raises(UsageError, match="`explain` needs `maps`"):
        replace(base, explain="occlusion")
    with pytest.raises(UsageError, match="`maps` needs `explain`"):
        replace(base, maps=tmp_path / "maps")
    with pytest.raises(UsageError, match="is not a folder"):
        replace(base, explain="occlusion", maps=tmp_path / "nets.py")
