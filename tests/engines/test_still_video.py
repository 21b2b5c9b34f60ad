"""A converted network gives a video of one picture the answer that the network for images gives the picture."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dlcli.engines import convert_2d_to_3d, predict
from dlcli.engines.convert_2d_to_3d.source import open_source
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.predict import PredictConfig
from dlcli.support.errors import InputError
from dlcli.support.seeds import derive
from tests.core.data.videos import film

NETS = """
from torch import nn


class Sized(nn.Sequential):
    "Takes images of 40x40 only, in grey."

    def __init__(self, classes=5):
        super().__init__(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(4 * 40 * 40, classes)
        )
"""


@pytest.mark.parametrize(
    ("model", "size"),
    [
        *(("cifar-resnet-8", 48), ("tiny-darknet", 40), ("mnasnet0_5", 64), ("squeezenet1_1", 72), ("NETS:Sized", 40)),
        *(
            pytest.param(name, size, marks=pytest.mark.slow)
            for name, size in (
                *(("resnet18", 64), ("efficientnet_b0", 64), ("mobilenet_v2", 64), ("mobilenet_v3_small", 64)),
                *(("regnet_y_400mf", 64), ("shufflenet_v2_x0_5", 64), ("convnext_tiny", 64), ("googlenet", 64)),
                *(("inception_v3", 96), ("densenet121", 64)),
            )
        ),
        *((f"timm:{name}", 64) for name in ("test_byobnet", "test_mambaout")),
        *(
            pytest.param(f"timm:{name}", 64, marks=pytest.mark.slow)
            for name in (
                *("test_efficientnet", "test_coatnet", "seresnet18", "resnext50_32x4d", "convnextv2_atto"),
                *("mobilenetv4_conv_small", "regnety_002", "repvgg_a0", "ghostnet_100", "dla34", "hrnet_w18_small"),
                *("rexnet_100", "lcnet_050", "ese_vovnet19b_dw", "resnetv2_50", "poolformer_s12", "test_maxvit"),
            )
        ),
    ],
)
def test_a_still_video_is_its_picture(model, size, tmp_path: Path):
    weights = None
    if model.startswith("timm:"):
        pytest.importorskip("timm")
        weights = Path("none")
    (tmp_path / "nets.py").write_text(NETS)
    model, channels = (f"{tmp_path}/nets.py:Sized", 1) if model.startswith("NETS") else (model, 3)
    draws = np.random.default_rng(0)
    coarse = draws.integers(0, 256, (size // 8, size // 8, 1 if channels == 1 else 3))
    pixels = np.kron(coarse, np.ones((8, 8, 3 // coarse.shape[2]))).astype(np.uint8)
    film(tmp_path / "still.mkv", 9, shape=(size, size), pixels=[pixels] * 9, codec="ffv1")
    converted = tmp_path / "video.safetensors"
    convert_2d_to_3d.run(
        Convert2DTo3DConfig(trust_code=True, model=model, weights=weights, size=size, classes=5, frames=2, output=converted)
    )
    config = PredictConfig(trust_code=True, model=str(converted), data=str(tmp_path / "still.mkv"), top=5, device="cpu")
    (row,) = predict.run(config).table.rows
    source = open_source(model, arch=None, weights=weights, size=size, classes=5, seed=derive(0, "init"), normalise="auto")
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None, :channels].float() / 255
    with torch.no_grad():
        expected = source.flat.wrapped(source.model).eval()(image).softmax(1)[0]
    found = dict(zip(row[2::2], row[3::2], strict=True))
    assert [found[str(k)] for k in range(5)] == pytest.approx(expected.tolist(), abs=1e-5)


def test_refusals_name_what_another_rule_would_do_as_well():
    pytest.importorskip("timm")
    for model, words in (
        ("timm:test_nfnet", "plain convolutions"),
        ("timm:mixer_s32_224", "its only convolution is the patch"),
    ):
        config = Convert2DTo3DConfig(trust_code=True, model=model, weights=Path("none"), size=64, classes=5, frames=2)
        with pytest.raises(InputError) as caught:
            convert_2d_to_3d.run(config)
        assert words in caught.value.hint and "frame-mlp:NAME" in caught.value.hint


@pytest.mark.parametrize(("model", "size"), [("swin_t", 64), ("vit_b_32", 224)])
def test_attention_is_refused_with_a_way_on(model, size, tmp_path: Path):
    config = Convert2DTo3DConfig(
        trust_code=True, model=model, size=size, classes=5, frames=2, output=tmp_path / "video.safetensors"
    )
    with pytest.raises(InputError, match="no convolution that besnet inflates") as caught:
        convert_2d_to_3d.run(config)
    assert "frame-mlp:NAME" in caught.value.hint and "attention" in caught.value.hint
    assert not (tmp_path / "video.safetensors").exists()
