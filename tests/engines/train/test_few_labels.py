"""Few labels and images without labels: what is drawn, that the other labels are not read, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dlcli.core.data.few_labels import with_few_labels
from dlcli.engines import train
from dlcli.engines.train.job import Job, describe
from dlcli.engines.train.sides import open_sets, open_side
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, MissingInputError, UsageError
from dlcli.support.reporter import SILENT
from tests.engines.train.test_pretrain import CPU, Stopping

CLASSES = 3


def arrays(n: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    source = np.random.default_rng(seed)
    y = np.arange(n) % CLASSES
    x = source.integers(0, 256, (n, 1, 8, 8)).astype(np.uint8)
    return {"x_train": x[: n - 15], "y_train": y[: n - 15], "x_test": x[n - 15 :], "y_test": y[n - 15 :]}


def saved(path: Path, **changes: np.ndarray) -> str:
    np.savez(path, **(arrays() | changes))
    return str(path)


def config(data: str, **changes: object) -> TrainConfig:
    settings = {"data": data, "epochs": 1, "device": "cpu", "precision": "float32", "labels": 12, "pretrain": "simclr"}
    return TrainConfig(**{**settings, **changes})


def opened(chosen: TrainConfig) -> Job:
    return open_side(chosen, open_sets(chosen, SILENT), CPU, chosen.seed)


def rows(x: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in x}


def test_labels_are_drawn_alike_and_the_rest_is_the_pool(tmp_path: Path):
    job = opened(config(saved(tmp_path / "d.npz")))
    assert np.bincount(job.data.y_train.numpy()).tolist() == [4, 4, 4]
    whole = opened(config(str(tmp_path / "d.npz"), labels=None)).data.x_train
    assert job.unlabelled is not None and len(job.unlabelled) == 33
    assert rows(job.data.x_train) | rows(job.unlabelled.parts[0]) == rows(whole)
    assert opened(config(str(tmp_path / "d.npz"), pretrain="none")).unlabelled is None


def test_another_seed_draws_others_and_fewer_are_a_part_of_more(tmp_path: Path):
    data = open_sets(config(saved(tmp_path / "d.npz")), SILENT).data
    first, second = (rows(with_few_labels(data, 12, seed).data.x_train) for seed in (0, 1))
    assert first != second and first == rows(with_few_labels(data, 12, 0).data.x_train)
    assert rows(with_few_labels(data, 8, 0).data.x_train) < first


@pytest.mark.parametrize("method", ["spatial-contrasting", "siamese", "none"])
def test_labels_that_are_not_drawn_change_no_bit(tmp_path: Path, method: str):
    more = {"pretrain": method, "patch": 8 if method == "spatial-contrasting" else None, "output": tmp_path / "run"}
    result = train.run(config(saved(tmp_path / "d.npz"), **more))
    job = opened(config(str(tmp_path / "d.npz")))
    drawn, found = rows(job.data.x_train), arrays()
    whole = open_sets(config(str(tmp_path / "d.npz")), SILENT).data.x_train
    kept = np.array([image.numpy().tobytes() in drawn for image in whole])
    # Labels decide which examples are drawn, so they are changed where the same ones are drawn still.
    source = np.random.default_rng(1)
    for _ in range(2000):
        y = found["y_train"].copy()
        free = source.permutation(np.flatnonzero(~kept))[:4]
        y[free] = (y[free] + 1) % CLASSES
        other = saved(tmp_path / "other.npz", y_train=y)
        again = opened(config(other))
        if rows(again.data.x_train) == drawn:
            break
    assert rows(again.data.x_train) == drawn and (y != found["y_train"]).any()
    second = train.run(config(other, **{**more, "output": tmp_path / "second"}))
    assert second.rows[0].weights_sha256 == result.rows[0].weights_sha256
    name = "weights.safetensors"
    assert (tmp_path / "second" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_both_sides_of_a_pair_have_the_same_labels(tmp_path: Path):
    data = saved(tmp_path / "d.npz")
    result = train.run(config(data, versus="--pretrain none", seeds=2, workers=1))
    for row in result.rows:
        more = {} if row.variant == "this" else {"pretrain": "none"}
        alone = train.run(config(data, seed=row.seed, **more))
        assert alone.rows[0].weights_sha256 == row.weights_sha256
    assert any("labels: 12 training images have labels, 4 of each class" in note for note in result.notes)


def test_what_is_asked_for_is_rounded_or_refused(tmp_path: Path):
    data = saved(tmp_path / "d.npz")
    result = train.run(config(data, labels=14, pretrain="none"))
    assert result.n_train == 12
    assert "labels: 12 training images have labels, 4 of each class; 14 were asked for" in result.notes
    for n in (2, 46):
        with pytest.raises(UsageError, match=f"`labels`: {n} of 45 training images of 3 classes cannot be drawn"):
            train.plan(config(data, labels=n))
    with pytest.raises(UsageError, match="`labels` is of classes"):
        TrainConfig(task="score", labels=5)
    with pytest.raises(UsageError, match="`corrupt` and `labels` do not go together"):
        TrainConfig(labels=20, corrupt="labels=1")
    assert opened(config(data, labels=45)).unlabelled is None


def folder(path: Path, n: int, size: tuple[int, int] = (8, 8)) -> str:
    path.mkdir(parents=True, exist_ok=True)
    for k in range(n):
        Image.fromarray(np.full(size, 10 * k + 1, np.uint8)).save(path / f"{k}.png")
    return str(path)


def test_unlabelled_images_are_pretrained_on(tmp_path: Path):
    data, more = saved(tmp_path / "d.npz"), folder(tmp_path / "more", 9)
    chosen = config(data, labels=None, unlabelled=more)
    job = opened(chosen)
    assert job.unlabelled is not None and len(job.unlabelled) == 9
    assert describe(job) != describe(opened(config(data, labels=None)))
    result = train.run(chosen)
    assert any("on 54 images, 9 of them without labels" in note for note in result.notes)
    assert result.rows[0].weights_sha256 != train.run(config(data, labels=None)).rows[0].weights_sha256
    assert len(opened(config(data, unlabelled=more)).unlabelled or ()) == 33 + 9
    assert any("9 images without labels" in line for line in train.plan(chosen))


def test_a_stopped_run_with_both_resumes_to_the_bit(tmp_path: Path):
    settings = {"data": saved(tmp_path / "d.npz"), "unlabelled": folder(tmp_path / "more", 9), "pretrain_epochs": 3}
    whole = train.run(config(**settings))
    train.run(config(**settings, output=tmp_path / "run"), report=Stopping(1))
    again = train.run(config(**settings, output=tmp_path / "run", resume=True))
    assert again.rows[0].weights_sha256 == whole.rows[0].weights_sha256


class Listening:
    """A reporter that keeps what is reported."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.task, self.stoppable, self.log = SILENT.task, SILENT.stoppable, SILENT.log
        self.note = self.warn = self.notes.append


def test_test_images_in_the_pool_are_found(tmp_path: Path):
    data, found = saved(tmp_path / "d.npz"), arrays()
    np.savez(tmp_path / "pool.npz", x=np.concatenate([found["x_test"][:4], found["x_test"][:1] + 1, found["x_train"][:3]]))
    chosen, report = config(data, unlabelled=str(tmp_path / "pool.npz")), Listening()
    open_sets(chosen, report)
    wanted = "of 15 test images 4 pixel for pixel are among the images of `unlabelled`"
    assert any(wanted in note for note in report.notes)
    with pytest.raises(InputError, match=wanted):
        open_sets(config(data, unlabelled=str(tmp_path / "pool.npz"), strict=True), SILENT)


def test_near_duplicates_of_test_images_are_found(tmp_path: Path):
    """Smooth blobs, compressed, mirrored or resized again; one image is equal, and the others of the pool are others."""
    source = np.random.default_rng(3)
    coarse = [Image.fromarray(source.integers(0, 256, (8, 8, 3)).astype(np.uint8)) for _ in range(40)]
    x = [np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC)) for image in coarse]
    stacked = np.stack(x)
    y = np.arange(12) % CLASSES
    sets = {"x_train": stacked[:12], "y_train": y, "x_test": stacked[12:24], "y_test": y}
    np.savez(tmp_path / "d.npz", **sets)
    pool = tmp_path / "pool"
    pool.mkdir()
    for k, image in enumerate(x[24:]):
        Image.fromarray(image).save(pool / f"other{k}.png")
    Image.fromarray(x[12]).save(pool / "equal.png")
    Image.fromarray(x[13]).save(pool / "compressed.jpg", quality=80)
    Image.fromarray(x[14][:, ::-1]).save(pool / "mirrored.png")
    Image.fromarray(x[15]).resize((48, 48)).resize((32, 32)).save(pool / "resized.png")
    chosen, report = config(str(tmp_path / "d.npz"), unlabelled=str(pool)), Listening()
    open_sets(chosen, report)
    wanted = "of 12 test images 1 pixel for pixel and 3 as near duplicates are among the images of `unlabelled`"
    assert any(wanted in note for note in report.notes)
    with pytest.raises(InputError, match=wanted):
        open_sets(config(str(tmp_path / "d.npz"), unlabelled=str(pool), strict=True), SILENT)
    for name in ("equal.png", "compressed.jpg", "mirrored.png", "resized.png"):
        (pool / name).unlink()
    clean = Listening()
    open_sets(chosen, clean)
    assert not any("test images" in note for note in clean.notes)


def test_folders_are_not_classes(tmp_path: Path):
    for name in ("cat", "dog"):
        folder(tmp_path / "more" / name, 3)
    report = Listening()
    sets = open_sets(config(saved(tmp_path / "d.npz"), unlabelled=str(tmp_path / "more")), report)
    assert len(sets.unlabelled or ()) == 6
    assert any("2 folders, which are not read as classes" in note for note in report.notes)


def test_images_that_do_not_fit_are_refused(tmp_path: Path):
    data = saved(tmp_path / "d.npz")
    with pytest.raises(InputError, match="holds images of 1x9x9"):
        open_sets(config(data, unlabelled=folder(tmp_path / "large", 3, (9, 9))), SILENT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        open_sets(config(data, unlabelled=str(tmp_path / "empty")), SILENT)
    with pytest.raises(MissingInputError):
        open_sets(config(data, unlabelled=str(tmp_path / "none")), SILENT)
    for method in ("none", "siamese"):
        with pytest.raises(UsageError, match="`unlabelled` needs"):
            config(data, pretrain=method, unlabelled="x")
