"""frame-mlp through train and eval: features once, the same bits after a stop, and chance where order is all there is."""

import json

import pytest
import torch

from dlcli.core.compute.forward import predict_logits
from dlcli.core.data import open_data
from dlcli.core.data.base import Sampling
from dlcli.core.model_io.checkpoint import save_weights
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.model_io.untrained import find_model
from dlcli.engines import eval as evaluate
from dlcli.engines import train
from dlcli.engines.train import frozen_features
from dlcli.specs.eval import EvalConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError
from tests.engines.test_clips import _Stops

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def weights(tmp_path):
    """What a small network for images is taken to have learned."""
    data = open_data("moving-digits", sampling=Sampling(), limit=4)
    torch.manual_seed(5)
    save_weights(tmp_path / "flat.safetensors", find_model("cifar-resnet-8", data.frame_template()).build(), {})
    return tmp_path / "flat.safetensors"


def _config(weights, **more):
    settings = {"limit": 60, "size": 16, "frames": 3, "epochs": 4, "batch_size": 16, "device": "cpu", "weights": weights}
    return TrainConfig(data="moving-digits", model="frame-mlp:cifar-resnet-8", **(settings | more))


@pytest.mark.parametrize("clips", [1, 2])
def test_the_run_holds_all_that_it_takes_and_says_what_training_said(weights, tmp_path, clips):
    row = train.run(_config(weights, clips=clips, output=tmp_path / "run")).rows[0]
    weights.unlink()
    films = {"model": str(tmp_path / "run"), "data": "moving-digits", "device": "cpu", "size": 16, "clips": clips}
    card = json.loads((tmp_path / "run" / "model.json").read_text())
    assert (card["model"], card["frames"], "normalised" in card) == ("frame-mlp:cifar-resnet-8", 3, False)
    whole = evaluate.run(EvalConfig(**films))
    assert whole.model_sha256 == row.weights_sha256
    data = open_data("moving-digits", sampling=Sampling(3, clips), limit=60, size=16)
    model = load_model(tmp_path / "run", CPU).model
    logits = sum(predict_logits(model, clip, device=CPU) for clip in data.x_test.split(3, 2))
    assert row.accuracy.value == (logits.argmax(1) == data.y_test).float().mean().item()


def test_features_are_computed_once(weights, monkeypatch):
    first = train.run(_config(weights))
    monkeypatch.setattr(frozen_features, "_compute_features", lambda *rest: pytest.fail("computed again"))
    again = train.run(_config(weights))
    assert again.rows[0].weights_sha256 == first.rows[0].weights_sha256
    assert train.run(_config(weights, seed=3)).rows[0].weights_sha256 != first.rows[0].weights_sha256
    with pytest.raises(BaseException, match="computed again"):
        train.run(_config(weights, frames=4))


def test_damaged_features_are_computed_again(weights, tmp_path):
    import os
    from pathlib import Path

    first = train.run(_config(weights)).rows[0]
    (kept,) = Path(os.environ["XDG_CACHE_HOME"]).rglob("features/*.safetensors")
    kept.write_bytes(kept.read_bytes()[:-9])
    assert train.run(_config(weights)).rows[0].weights_sha256 == first.weights_sha256


def test_a_training_that_was_stopped_ends_with_the_same_bits(weights, tmp_path):
    whole = train.run(_config(weights, clips=2)).rows[0]
    train.run(_config(weights, clips=2, output=tmp_path / "run"), report=_Stops(3))
    assert not (tmp_path / "run" / "model.json").exists()
    continued = train.run(_config(weights, clips=2, output=tmp_path / "run", resume=True)).rows[0]
    assert continued.weights_sha256 == whole.weights_sha256


@pytest.mark.parametrize("more", [{"augment": ("crop",)}, {"adversarial": ("fgsm", 0.1, 1.0)}])
def test_images_that_change_are_refused(weights, more):
    with pytest.raises(UsageError, match=f"`{next(iter(more))}`: frame-mlp computes the features of its frames once"):
        train.run(_config(weights, **more))


@pytest.mark.parametrize("more", [{"mixup": 0.2}, {"cutmix": 1.0}, {"freeze": ("mlp",)}, {"lr_for": ("mlp=0.1",)}])
def test_options_on_images_and_parts_are_refused(weights, more):
    with pytest.raises(UsageError, match=f"`{next(iter(more))}`: frame-mlp"):
        train.run(_config(weights, **more))


def test_where_only_the_order_tells_it_is_right_on_exactly_half(weights):
    """Each clip of the test set is there forwards and backwards, and what is said of both is the same."""
    row = train.run(_config(weights, limit=None, epochs=2, clips=1)).rows[0]
    assert row.accuracy.n == 1198
    assert row.accuracy.value == pytest.approx(0.5, abs=2 / 1198)


def test_two_sides_in_pairs(weights):
    found = train.run(_config(weights, versus="--lr 0.01", seeds=2, workers=1))
    assert [row.variant for row in found.rows] == ["this", "--lr 0.01"] * 2


def test_without_a_cache_the_bits_are_the_same(weights, tmp_path, monkeypatch):
    kept = train.run(_config(weights)).rows[0]
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert train.run(_config(weights)).rows[0].weights_sha256 == kept.weights_sha256
