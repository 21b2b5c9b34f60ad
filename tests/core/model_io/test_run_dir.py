"""Run directories: a saved network is restored, and damage is a one-line error."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from dlcli.core.model_io.checkpoint import save_weights, weights_sha256
from dlcli.core.model_io.run_dir import METADATA, WEIGHTS, is_run_dir, load_model, save_model
from dlcli.core.models.zoo import digits_net
from dlcli.support.errors import InputError, UsageError

CPU = torch.device("cpu")
CLASSES = tuple("0123456789")


def saved(folder: Path, model: nn.Module | None = None, spec: str = "digits-net", surgery: tuple[str, ...] = ()) -> nn.Module:
    model = model or digits_net.build(1, (8, 8), 10)
    save_model(folder, model=model, spec=spec, surgery=surgery, channels=1, size=(8, 8), classes=CLASSES)
    return model


def test_a_saved_network_is_restored_bit_for_bit(tmp_path: Path):
    model = saved(tmp_path / "new" / "run").eval()
    before = torch.random.get_rng_state()
    found = load_model(tmp_path / "new" / "run", CPU)
    assert torch.equal(before, torch.random.get_rng_state())
    x = torch.rand(4, 1, 8, 8)
    assert torch.equal(found.model(x), model(x)) and not found.model.training
    assert (found.spec, found.surgery, found.channels, found.size) == ("digits-net", (), 1, (8, 8))
    assert (found.classes, found.sha256) == (CLASSES, weights_sha256(model))
    assert is_run_dir(tmp_path / "new" / "run") and not is_run_dir(tmp_path)


def test_the_metadata_file_has_the_documented_entries(tmp_path: Path):
    model = saved(tmp_path)
    assert json.loads((tmp_path / METADATA).read_text()) == {
        "model": "digits-net",
        "with": [],
        "channels": 1,
        "size": [8, 8],
        "classes": list(CLASSES),
        "weights_sha256": weights_sha256(model),
    }


def test_surgery_is_applied_again_on_loading(tmp_path: Path):
    from dlcli.core.surgery import apply_surgery

    model, _ = apply_surgery(digits_net.build(1, (8, 8), 10), ["elu"], torch.zeros(1, 1, 8, 8))
    saved(tmp_path, model, surgery=("elu",))
    found = load_model(tmp_path, CPU)
    x = torch.rand(4, 1, 8, 8)
    assert torch.equal(found.model(x), model.eval()(x)) and found.surgery == ("elu",)
    assert any(isinstance(module, nn.ELU) for module in found.model.modules())


def test_a_user_network_is_restored(tmp_path: Path):
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n\ndef build(classes, width=3):\n"
        "    convolution = nn.Conv2d(1, width, 3), nn.BatchNorm2d(width)\n"
        "    return nn.Sequential(*convolution, nn.Flatten(), nn.Linear(width * 36, classes))\n"
    )
    spec = f"{tmp_path}/nets.py:build"
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(108, 10))
    model(torch.rand(5, 1, 8, 8))  # so that the statistics of BatchNorm are not those of a new one
    saved(tmp_path / "run", model, spec)
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(load_model(tmp_path / "run", CPU).model(x), model.eval()(x))


def test_weights_that_differ_from_the_metadata_are_an_error(tmp_path: Path):
    saved(tmp_path)
    save_weights(tmp_path / WEIGHTS, digits_net.build(1, (8, 8), 10), {})
    with pytest.raises(InputError, match="SHA-256 differs"):
        load_model(tmp_path, CPU)


def test_the_error_for_weights_of_another_network_names_some_keys(tmp_path: Path):
    saved(tmp_path, nn.Sequential(nn.Conv2d(1, 32, 5), nn.ReLU(), nn.Linear(2, 3)))
    with pytest.raises(InputError) as caught:
        load_model(tmp_path, CPU)
    message = caught.value.message
    assert "missing 5.weight, 5.bias, 10.weight and 1 more" in message
    assert "misshapen 0.weight [32, 1, 5, 5] for [32, 1, 3, 3], 2.weight [3, 2]" in message and "\n" not in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": [8]}, "size must be a list of 2"),
        ({"size": ["8", "8"]}, "size must be a list in which each is a whole number from 1"),
        ({"channels": None, "classes": "abc"}, "channels must be a whole number from 1"),
        ({"model": "digits-nett"}, "no model is called 'digits-nett'"),
        ({"with": ["no-such-surgery"]}, "no-such-surgery"),
    ],
)
def test_damaged_metadata_is_an_error(tmp_path: Path, change: dict[str, object], message: str):
    saved(tmp_path)
    metadata = json.loads((tmp_path / METADATA).read_text())
    (tmp_path / METADATA).write_text(json.dumps(metadata | change))
    with pytest.raises((InputError, UsageError)) as caught:
        load_model(tmp_path, CPU)
    assert message in caught.value.message


@pytest.mark.parametrize(("text", "message"), [("{", "not JSON"), ("[]", "model is missing"), (None, "not a run directory")])
def test_unreadable_or_missing_metadata_is_an_error(tmp_path: Path, text: str | None, message: str):
    saved(tmp_path)
    (tmp_path / METADATA).unlink()
    if text is not None:
        (tmp_path / METADATA).write_text(text)
    with pytest.raises(InputError, match=message):
        load_model(tmp_path, CPU)


def test_missing_weights_are_an_error(tmp_path: Path):
    saved(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(InputError, match="no such file"):
        load_model(tmp_path, CPU)


def test_the_folder_of_an_evaluation_is_no_network(tmp_path: Path):
    (tmp_path / "predictions.csv").write_text("truth,label\n")
    with pytest.raises(InputError, match="not a run directory") as caught:
        load_model(tmp_path, CPU)
    assert str(tmp_path / "predictions.csv") in caught.value.hint
