"""Masks through train, eval and predict: the same figures everywhere, in the size of each picture, or refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import jaccard_score
from torchvision.models import squeezenet1_1

from dlcli.cli.commands.mask_table import mask_eval_table, mask_train_table
from dlcli.core.model_io.run_dir import load_model
from dlcli.engines import ensemble, eval, predict, probe_gradients, train
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.masks import MASK_LOSSES, MaskEvalResult, MaskTrainResult
from dlcli.specs.predict import PredictConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT
from tests.conftest import Run
from tests.masked import CLASSES, SIZE, masked_folder, save, scene

N = 16
NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        first, second = nn.Conv2d(channels, 8, 3, padding=1, stride=2), nn.Conv2d(8, 8, 3, padding=1)
        self.body = nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        return self.head(self.pool(self.body(x)).flatten(1))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return masked_folder(tmp_path_factory.mktemp("masks") / "m", N, sets=("train", "test"))


@pytest.fixture(scope="module")
def network(folder: Path) -> str:
    path = folder.parent / "net.py"
    path.write_text(NETWORK)
    return f"{path}:Net"


def config(data: Path | str, network: str, **changes: object) -> TrainConfig:
    settings = {"task": "segment", "model": network, "epochs": 30, "device": "cpu", "precision": "float32", "lr": 0.02}
    return TrainConfig(data=str(data), trust_code=True, **{**settings, **changes})


@pytest.fixture(scope="module")
def trained(folder: Path, network: str) -> MaskTrainResult:
    result = train.run(config(folder, network, output=folder.parent / "run"))
    assert isinstance(result, MaskTrainResult)
    return result


def test_train_eval_and_predict_agree_with_scikit_learn(folder: Path, trained: MaskTrainResult, tmp_path: Path):
    run = folder.parent / "run"
    written = predict.run(
        PredictConfig(model=str(run), data=str(folder), split="test", masks=tmp_path / "m", overlay=True, trust_code=True)
    )
    y, p = [], []
    for row in written.table.rows:
        path = tmp_path / "m" / str(row[2])
        with Image.open(path) as mask, Image.open(folder / str(row[1]).replace("images", "masks")) as true:
            assert (mask.mode, mask.size) == ("P", SIZE[::-1])
            p.append(np.asarray(mask).reshape(-1))
            y.append(np.asarray(true).reshape(-1))
        with Image.open(path.with_name(f"{path.stem}-overlay.png")) as shown:
            assert shown.size == SIZE[::-1]
    expected = jaccard_score(np.concatenate(y), np.concatenate(p), average="macro")
    (row,) = trained.rows
    assert row.figure("miou").value == pytest.approx(expected, abs=1e-12)
    assert expected > 0.45
    found = eval.run(EvalConfig(model=str(run), data=str(folder), output=tmp_path / "e", trust_code=True))
    assert isinstance(found, MaskEvalResult)
    assert (found.metrics, found.per_class) == (row.metrics, row.per_class)
    assert sum(one.pixels for one in found.confusion) == found.n_pixels == N * SIZE[0] * SIZE[1]
    page = (tmp_path / "e" / "report.html").read_text()
    assert "Colours of the classes" in page and "predicted" in page
    assert written.table.columns == ["index", "file", "mask", "label", "share", "label_2", "share_2", "label_3", "share_3"]
    assert all(row[4] + row[6] + row[8] == pytest.approx(1, abs=1e-5) for row in written.table.rows)
    for table in (mask_train_table(trained), mask_eval_table(found)):
        assert [one[0] for one in table.rows] == list(CLASSES)


def test_what_is_recorded_rebuilds_the_network(folder: Path, trained: MaskTrainResult, network: str):
    metadata = json.loads((folder.parent / "run" / "model.json").read_text())
    assert (metadata["task"], metadata["classes"]) == ("segment", list(CLASSES))
    assert metadata["masks"] == {"loss": "cross-entropy", "size": None, "ignore": None}
    assert trained.rows[0].parameters == sum(
        one.numel() for one in load_model(folder.parent / "run", torch.device("cpu")).model.parameters()
    )
    again = train.run(config(folder, network, output=folder.parent / "run", resume=True))
    assert again.rows[0].weights_sha256 == trained.rows[0].weights_sha256


@pytest.mark.parametrize("loss", MASK_LOSSES)
def test_each_loss_learns_with_and_without_class_weights(folder: Path, network: str, loss: str):
    result = train.run(config(folder, network, loss=loss, class_weights=True))
    assert isinstance(result, MaskTrainResult)
    assert result.rows[0].figure("miou").value > 0.5
    assert result.loss == loss


def test_a_stopped_run_with_crops_and_augmentation_ends_with_the_same_weights(tmp_path: Path, network: str):
    folder = masked_folder(tmp_path / "m", 8, sets=("train", "test"), sizes=((24, 32), (30, 26)))
    changes = {"epochs": 3, "crop": 16, "augment": ("horizontal-flip", "rotate"), "batch_size": 3}
    whole = train.run(config(folder, network, **changes))
    with pytest.raises(KeyboardInterrupt):
        train.run(config(folder, network, output=tmp_path / "run", **changes), report=Interrupting())
    found = train.run(config(folder, network, output=tmp_path / "run", resume=True, **changes))
    assert found.rows[0].weights_sha256 == whole.rows[0].weights_sha256
    with pytest.raises(UsageError, match="was started with `crop"):
        (tmp_path / "other").mkdir()
        train.run(config(folder, network, output=tmp_path / "run", resume=True, **{**changes, "crop": 20}))


class Interrupting:
    """Is interrupted once an epoch is logged."""

    def __getattr__(self, name: str) -> object:
        return getattr(SILENT, name)

    def log(self, *args: object, **more: object) -> None:
        raise KeyboardInterrupt


def test_early_stopping_watches_the_miou_of_the_dev_set(folder: Path, network: str):
    result = train.run(config(folder, network, epochs=12, dev=0.3, early_stop=("miou", 1)))
    assert isinstance(result, MaskTrainResult)
    assert result.n_train == 11 and result.rows[0].best_epoch <= result.rows[0].epochs <= 12


def test_strided_and_dilated_networks_are_compared_in_pairs(folder: Path, network: str, tmp_path: Path):
    result = train.run(config(folder, network, versus="--with dilate=1", seeds=2, epochs=2, workers=1, output=tmp_path / "v"))
    assert isinstance(result, MaskTrainResult)
    assert [one.metric for one in result.comparisons][:2] == ["test mIoU", "mean mIoU of a picture"]
    strided, dilated = ([row for row in result.rows if row.variant == name] for name in ("this", "--with dilate=1"))
    assert strided[0].parameters == dilated[0].parameters
    assert dilated[0].multiply_adds > 3 * strided[0].multiply_adds
    assert any("Multiply-adds per picture and parameters" in note for note in result.notes)
    assert any("For other test images as well, test mIoU differs" in note for note in result.notes)
    assert (tmp_path / "v" / "report.html").is_file()


def test_frames_of_a_drive_have_intervals_by_block(tmp_path: Path, network: str):
    folder = masked_folder(tmp_path / "m", 30, sets=("train", "test"), names=[f"{k:04d}" for k in range(30)])
    blocks, files = (train.run(config(folder, network, epochs=1, group=group)) for group in (None, "file"))
    assert isinstance(blocks, MaskTrainResult) and isinstance(files, MaskTrainResult)
    assert (blocks.group, files.group) == ("block", "file")
    assert any("File names look like a sequence" in note for note in blocks.notes)
    assert blocks.rows[0].weights_sha256 == files.rows[0].weights_sha256
    assert blocks.rows[0].figure("miou").value == files.rows[0].figure("miou").value
    assert blocks.rows[0].figure("miou").low != files.rows[0].figure("miou").low


def test_masks_are_written_in_the_size_of_the_file_whatever_the_network_saw(tmp_path: Path, network: str):
    folder = masked_folder(tmp_path / "m", 6, sets=("train", "test"), sizes=((24, 32), (40, 30)))
    train.run(config(folder, network, epochs=1, size=12, output=tmp_path / "run"))
    options = {"model": str(tmp_path / "run"), "data": str(folder), "masks": tmp_path / "o", "trust_code": True}
    found = predict.run(PredictConfig(**options))
    for row in found.table.rows:
        with Image.open(tmp_path / "o" / str(row[2])) as mask, Image.open(folder / str(row[1])) as image:
            assert mask.size == image.size
    single = predict.run(PredictConfig(**{**options, "data": str(folder / str(found.table.rows[0][1]))}))
    assert len(single.table.rows) == 1 and single.table.rows[0][3:] == found.table.rows[0][3:]


def test_arrays_are_learned_by_group_and_predicted_by_index(tmp_path: Path, network: str):
    images, masks = zip(*(scene(k) for k in range(20)), strict=True)
    np.savez(tmp_path / "a.npz", x=np.stack(images), y=np.stack(masks), person=np.arange(20) // 2)
    result = train.run(config(tmp_path / "a.npz", network, epochs=2, group="person", output=tmp_path / "run"))
    assert isinstance(result, MaskTrainResult) and result.n_test % 2 == 0 and result.classes == ("0", "1", "2")
    options = {"model": str(tmp_path / "run"), "data": str(tmp_path / "a.npz"), "trust_code": True}
    found = eval.run(EvalConfig(**options))
    assert isinstance(found, MaskEvalResult) and found.metrics == result.rows[0].metrics
    assert (found.group, found.n_groups) == ("person", result.n_test // 2)
    table = predict.run(PredictConfig(**options, masks=tmp_path / "o", top=1)).table
    assert table.columns == ["index", "mask", "label", "share"] and len(table.rows) == 20
    with Image.open(tmp_path / "o" / str(table.rows[7][1])) as mask:
        assert np.bincount(np.asarray(mask).reshape(-1), minlength=3).max() / mask.width / mask.height == pytest.approx(
            table.rows[7][3], abs=1e-6
        )


def test_other_classes_and_gates(folder: Path, trained: MaskTrainResult, tmp_path: Path):
    run, other = str(folder.parent / "run"), tmp_path / "other"
    for k in range(3):
        save(other / "test", f"x{k * k}", *scene(k))
    (other / "classes.txt").write_text("x\ny\nz\n")
    with pytest.raises(InputError, match="its classes are x, y, z, and those of the network ground, box, bar"):
        eval.run(EvalConfig(model=run, data=str(other), trust_code=True))
    (other / "classes.txt").unlink()
    assert eval.run(EvalConfig(model=run, data=str(other), trust_code=True)).failed == ""
    found = eval.run(EvalConfig(model=run, data=str(folder), fail_under=("miou", 0.9999), trust_code=True))
    assert found.failed.startswith("miou on test is 0.")
    with pytest.raises(UsageError, match="`fail_under`: 'top-1' is not one of miou"):
        eval.run(EvalConfig(model=run, data=str(folder), fail_under=("top-1", 0.5), trust_code=True))


def test_commands_for_classes_refuse_a_network_for_masks(folder: Path, trained: MaskTrainResult):
    run, data = str(folder.parent / "run"), str(folder)
    for command, options in (
        (probe_gradients.run, ProbeGradientsConfig(data=data, model=run, trust_code=True)),
        (ensemble.run, EnsembleConfig(data=data, add=(run,), trust_code=True)),
    ):
        with pytest.raises(UsageError, match="predicts masks, and dlcli .* needs a classifier: it "):
            command(options)
    for name, value in (("diagnose", True), ("slices", ("class",)), ("export", Path("x.onnx")), ("explain", "occlusion")):
        options = {name: value, **({"output": Path("o")} if name == "explain" else {})}
        with pytest.raises(UsageError, match=f"`{name}` does not apply to a network that predicts masks"):
            eval.run(EvalConfig(model=run, data=data, **options))
    with pytest.raises(
        UsageError, match="`explain` does not apply to a network that predicts masks: a map explains one number"
    ):
        predict.run(PredictConfig(model=run, data=data, explain="occlusion", maps=Path("maps")))


def test_a_mean_over_mirror_images_is_alike_for_a_picture_and_its_mirror_image(
    folder: Path, trained: MaskTrainResult, tmp_path: Path
):
    """With `tta` the mask of a mirrored picture is the mirrored mask, and the figures are those of the mean logits."""
    run = str(folder.parent / "run")
    image, mask = scene(7)
    for name, pixels in (("plain", image), ("mirrored", image[:, ::-1])):
        save(tmp_path / name, "a", np.ascontiguousarray(pixels), mask)
    for name in ("plain", "mirrored"):
        options = {"model": run, "data": str(tmp_path / name / "images"), "masks": tmp_path / f"{name}-out", "trust_code": True}
        predict.run(PredictConfig(tta=True, **options))
    plain, mirrored = (np.asarray(Image.open(tmp_path / f"{name}-out" / "a.png")) for name in ("plain", "mirrored"))
    assert np.array_equal(plain, mirrored[:, ::-1])
    found = eval.run(EvalConfig(model=run, data=str(folder), tta=True, trust_code=True))
    assert isinstance(found, MaskEvalResult)
    assert any("means over each image and its mirror image" in note for note in found.notes)
    network = load_model(Path(run), torch.device("cpu")).model.eval()
    right = total = 0
    for path in (folder / "test" / "images").iterdir():
        pixels, truth = (np.asarray(Image.open(folder / "test" / part / path.name)) for part in ("images", "masks"))
        x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            mean = network(x) + network(x.flip(-1)).flip(-1)
        right, total = right + int((mean.argmax(1)[0].numpy() == truth).sum()), total + truth.size
    accuracy = next(one.estimate.value for one in found.metrics if one.name == "pixel-accuracy")
    assert accuracy == pytest.approx(right / total, abs=1e-12)


def test_weights_of_a_classifier_of_torchvision_fill_the_body(folder: Path, tmp_path: Path):
    """A state dict as torchvision saves it: its names, 1000 classes, and no more than that."""
    weights = squeezenet1_1(num_classes=1000).state_dict()
    torch.save(weights, tmp_path / "w.pth")
    options = {"epochs": 1, "lr": 1e-9, "weights": tmp_path / "w.pth", "surgery": ("dilate=8",), "limit": 2}
    result = train.run(config(folder, "squeezenet1_1", output=tmp_path / "run", **options))
    assert any("published weights (imagenet)" in note for note in result.notes)
    state = load_model(tmp_path / "run", torch.device("cpu")).model.state_dict()
    found = {name.partition("body.")[2]: value for name, value in state.items() if "body." in name}
    kept = [name for name in weights if not name.startswith("classifier.")]
    assert len(kept) == 50 and all(torch.allclose(found[name], weights[name], atol=1e-6) for name in kept)
    assert next(value for name, value in state.items() if name.endswith("head.weight")).shape == (len(CLASSES), 512, 1, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mixup": 0.2}, "`mixup` does not apply to `task=segment`"),
        ({"pretrain": "simclr"}, "`pretrain` does not apply to `task=segment`"),
        ({"label_smoothing": 0.1}, "`label_smoothing` does not apply"),
        ({"loss": "huber"}, "`loss=huber` is not a loss of masks"),
        ({"task": "images", "crop": 16}, "`crop` needs `task=segment`"),
        ({"task": "images", "ignore": 3}, "`ignore` needs `task=segment`"),
        ({"task": "score", "loss": "dice"}, "`loss=dice` is not a loss of scores"),
    ],
)
def test_options_of_other_tasks_are_refused(changes: dict[str, object], message: str):
    with pytest.raises(UsageError, match=message):
        TrainConfig(**{"data": "d", "task": "segment", **changes})


def test_changes_that_masks_cannot_follow_are_refused(folder: Path, network: str):
    with pytest.raises(UsageError, match="`augment`: auto moves pixels in ways that masks cannot follow"):
        train.run(config(folder, network, augment=("auto",)))
    with pytest.raises(UsageError, match="unet has logits for each pixel"):
        train.run(TrainConfig(data="digits", model="unet"))


def test_the_command_line_trains_and_gates_on_the_miou(folder: Path, dlcli: Run, tmp_path: Path):
    found = dlcli("train", folder, "--task", "segment", "--epochs", "1", "--device", "cpu", "-o", tmp_path / "r")
    assert found.returncode == 0 and b"mIoU" in found.stderr
    assert dlcli("eval", tmp_path / "r", "--fail-under", "miou=0.999").returncode == 1
