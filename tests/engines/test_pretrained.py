"""Published networks by name, from a hub on loopback: torchvision, timm and transformers with random weights."""

import dataclasses
import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dlcli.core.model_io.class_map import map_classes
from dlcli.core.models.imagenet import imagenet_classes, synsets
from dlcli.engines import convert_2d_to_3d, eval, predict, train
from dlcli.engines.model_and_data import open_model_and_data
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, ResourceError, UsageError
from dlcli.support.reporter import SILENT
from tests.core.data.videos import film
from tests.fake_hub import FakeHub, serving

TIMM = ("test_resnet", "test_vit", "test_convnext", "test_efficientnet", "test_nfnet")
TORCHVISION = "shufflenet_v2_x0_5"
HF = "tiny/resnet"
NETWORKS = (*(f"timm:{name}" for name in TIMM), f"torchvision:{TORCHVISION}", f"hf:{HF}")
SHAPES = ((200, 150), (90, 240), (224, 224))
NOWHERE = "http://127.0.0.1:9"


class Notes:
    """A reporter that keeps warnings and notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.note, self.warn = self.notes.append, self.warnings.append
        self.task, self.stoppable = SILENT.task, SILENT.stoppable


def smooth(seed: int, shape: tuple[int, int]) -> Image.Image:
    """A picture of coloured clouds."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC)


@torch.no_grad()
def settled(model: Any, side: int) -> Any:
    """`model` with batch normalisation that has seen pictures, and logits that differ from picture to picture."""
    x = torch.stack([torch.from_numpy(np.array(smooth(k, (side, side)))).permute(2, 0, 1) / 127.5 - 1 for k in range(8)])
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # statistics of all that was seen
    model.train()(x)
    logits = model.eval()(x)
    logits = getattr(logits, "logits", logits)
    head = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    head.weight.mul_(2 / logits.std(0).mean())
    return model


def published_timm(folder: Path) -> Iterator[tuple[str, Any]]:
    """Networks of timm, and what each makes of a picture by timm's own transforms."""
    timm = pytest.importorskip("timm")
    from safetensors.torch import save_file

    for name in TIMM:
        model = settled(timm.create_model(name), 160)
        place = folder / timm.models.get_pretrained_cfg(name).hf_hub_id
        place.mkdir(parents=True)
        save_file(model.state_dict(), place / "model.safetensors")
        transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
        yield f"timm:{name}", lambda image, model=model, transform=transform: model(transform(image)[None])


def published_hf(folder: Path) -> Iterator[tuple[str, Any]]:
    """A network of transformers, and what it makes of a picture by its own processor."""
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.disable_progress_bar()
    names = {0: "ant", 1: "bee", 2: "cat"}
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=3, id2label=names)
    model = settled(transformers.AutoModelForImageClassification.from_config(config), 64)
    processor = transformers.BitImageProcessor(size={"shortest_edge": 80}, crop_size={"height": 64, "width": 64})
    for part in (model, processor):
        part.save_pretrained(folder / HF)
    yield f"hf:{HF}", lambda image: model(**processor(image, return_tensors="pt")).logits


def published_torchvision(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
    """A network of torchvision whose published file has random weights."""
    import torchvision

    model = settled(torchvision.models.get_model(TORCHVISION), 224)
    torch.save(model.state_dict(), folder / "weights.pth")
    digest = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()
    entry = torchvision.models.get_model_weights(TORCHVISION).IMAGENET1K_V1
    (folder / "weights.pth").rename(folder / f"shufflenet-{digest[:8]}.pth")
    url = f"https://download.pytorch.org/models/shufflenet-{digest[:8]}.pth"
    patch.setattr(entry, "_value_", dataclasses.replace(entry.value, url=url))
    yield f"torchvision:{TORCHVISION}", lambda image: model(entry.transforms()(image)[None])


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeHub, dict[str, Any]]]:
    """A hub, and by name what the network's own library makes of a picture."""
    folder, found = tmp_path_factory.mktemp("hub"), {}
    with torch.random.fork_rng(), pytest.MonkeyPatch.context() as patch, serving(folder) as hub:
        torch.manual_seed(0)
        found |= dict(published_torchvision(folder, patch))
        for more in (published_timm, published_hf):
            try:
                found |= dict(more(folder))
            except pytest.skip.Exception:
                continue  # the tests of its networks are skipped
        yield hub, found


@pytest.fixture
def hub(library: tuple[FakeHub, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHub:
    """The hub, with an empty cache; nothing but loopback can be reached."""
    found, _ = library
    for key, value in found.environment(tmp_path / "cache").items():
        monkeypatch.setenv(key, value)
    found.sent.clear()
    found.spoiled.clear()
    connect = socket.socket.connect

    def only_loopback(self: socket.socket, address: Any) -> None:
        assert address[0] == "127.0.0.1", address
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_loopback)
    return found


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth pictures of several shapes, four of each of two classes."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    for k, shape in enumerate(4 * SHAPES[:2]):
        path = folder / ("n01440764", "great_white_shark")[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        smooth(k, shape).save(path)
    return folder


def options(spec: str, data: Path, **more: Any) -> PredictConfig:
    return PredictConfig(model=spec, data=str(data), device="cpu", **more)


def needs(spec: str, library: tuple[FakeHub, dict[str, Any]]) -> Any:
    """The function of the library of `spec`; skips where that is not installed."""
    if spec not in library[1]:
        pytest.skip(f"{spec.partition(':')[0]} is not installed")
    return library[1][spec]


@pytest.mark.parametrize("spec", NETWORKS)
def test_logits_are_those_of_its_own_library(spec, library, hub, tmp_path):
    own = needs(spec, library)
    expected = []
    for k, shape in enumerate(SHAPES):
        image = smooth(k, shape)
        image.save(tmp_path / f"{k}.png")
        with torch.no_grad():
            expected.append(own(image)[0])
    loaded = open_model_and_data(options(spec, tmp_path), SILENT, unlabelled=True)
    found = loaded.logits(loaded.split("test").x)
    assert torch.stack(expected).std(0).mean() > 0.5
    # Processors of transformers resize tensors, which rounds otherwise than Pillow does.
    loose = 0.1 if spec.startswith("hf:") else 1e-3
    torch.testing.assert_close(found, torch.stack(expected), rtol=loose, atol=loose)


@pytest.mark.parametrize("spec", ["timm:test_resnet", f"torchvision:{TORCHVISION}", f"hf:{HF}"])
def test_files_are_fetched_once_and_checked_later(spec, library, hub, photos, monkeypatch, tmp_path):
    needs(spec, library)
    first = predict.run(options(spec, photos))
    asked = list(hub.sent)
    assert len(asked) == len(set(asked)) > 0
    monkeypatch.setenv("HF_ENDPOINT", NOWHERE)
    monkeypatch.setenv("DLCLI_TORCHVISION_MIRROR", NOWHERE)
    assert predict.run(options(spec, photos)).table.rows == first.table.rows
    weights = [path for path in (tmp_path / "cache" / "dlcli").rglob("*") if path.suffix in (".safetensors", ".pth")]
    (file,) = [path for path in weights if "pretrained" in path.parts]
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ResourceError, match="cannot be downloaded"):
        predict.run(options(spec, photos))
    file.write_bytes(data)
    file.with_name(f"{file.name}.sha256.json").unlink()  # as if it had been put there by hand
    assert predict.run(options(spec, photos)).table.rows == first.table.rows
    file.unlink()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("DLCLI_TORCHVISION_MIRROR", hub.url)
    predict.run(options(spec, photos))
    assert len(hub.sent) == len(asked) + 1


@pytest.mark.parametrize("spec", ["timm:test_resnet", f"torchvision:{TORCHVISION}", f"hf:{HF}"])
def test_a_damaged_download_leaves_nothing(spec, library, hub, photos, tmp_path):
    needs(spec, library)
    hub.spoiled |= {
        str(path.relative_to(hub.folder)) for path in hub.folder.rglob("*") if path.suffix in (".safetensors", ".pth")
    }
    with pytest.raises(ResourceError, match="was received damaged"):
        predict.run(options(spec, photos))
    left = [path for path in (tmp_path / "cache" / "dlcli" / "pretrained").rglob("*") if path.is_file()]
    assert not [path for path in left if path.suffix != ".json"]


@pytest.mark.parametrize(("spec", "needed"), [(f"torchvision:{TORCHVISION}", "torchvision"), (f"hf:{HF}", "huggingface_hub")])
def test_offline_is_one_line(spec, needed, dlcli, environment, hub, photos, tmp_path):
    pytest.importorskip(needed)
    env = environment | hub.environment(tmp_path / "cache") | {"HF_ENDPOINT": NOWHERE, "DLCLI_TORCHVISION_MIRROR": NOWHERE}
    done = dlcli("predict", spec, photos, "--quiet", env=env)
    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (5, b"")
    assert spec in line and "cannot be downloaded" in line and f"put {NOWHERE}/" in line and str(tmp_path / "cache") in line


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("torchvision:resnet81", UsageError, "no network 'resnet81'"),
        ("torchvision:resnet18.V9", UsageError, "no weights 'V9'"),
        ("timm:resnet81", UsageError, "no network 'resnet81'"),
        ("timm:resnet18.nothing_in1k", UsageError, "no weights 'nothing_in1k'"),
        ("timm:test_vit2", InputError, "no such repository"),
        ("timm:vit_small_patch14_dinov2.lvd142m", InputError, "no outputs for classes"),
        ("hf:resnet", UsageError, "not spelled"),
        ("hf:../x", UsageError, "not spelled"),
        ("hf:nobody/nothing", InputError, "no such repository"),
        ("timm:", UsageError, "which network"),
    ],
)
def test_what_a_hub_does_not_have(spec, kind, words, hub, photos):
    pytest.importorskip({"timm": "timm", "hf": "transformers"}.get(spec.partition(":")[0], "torchvision"))
    with pytest.raises(kind, match=words):
        predict.run(options(spec, photos))


def test_pickles_and_code_of_repositories_are_refused(library, hub, photos, tmp_path):
    needs(f"hf:{HF}", library)
    for name, entries in (("pickled", {}), ("coded", {"auto_map": {"AutoModelForImageClassification": "code.Net"}})):
        place = hub.folder / "evil" / name
        place.mkdir(parents=True)
        for path in (hub.folder / HF).iterdir():
            if path.suffix == ".json":
                (place / path.name).write_bytes(path.read_bytes())
        config = json.loads((place / "config.json").read_text()) | entries | ({"model_type": "unheard"} if entries else {})
        (place / "config.json").write_text(json.dumps(config))
        (place / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
        (place / "code.py").write_text("raise SystemExit('ran')")
    with pytest.raises(InputError, match=r"no file model\.safetensors"):
        predict.run(options("hf:evil/pickled", photos))
    with pytest.raises(InputError, match="is not a network that can be opened"):
        predict.run(options("hf:evil/coded", photos))
    assert not [name for name in hub.sent if name.endswith((".bin", ".py"))]


def test_classes_are_matched_by_name_and_said(hub, photos, library):
    spec = f"torchvision:{TORCHVISION}"
    notes = Notes()
    loaded = open_model_and_data(EvalConfig(model=spec, data=str(photos), device="cpu"), notes)
    named = dict(zip(loaded.data.classes, loaded.output_of.tolist(), strict=True))
    assert named == {"great_white_shark": 2, "n01440764": 0}
    assert loaded.outputs[0] == "tench"
    assert any("great_white_shark is great white shark, n01440764 is tench" in note for note in notes.notes)
    rows = {row.name: row.accuracy.n for row in eval.run(EvalConfig(model=spec, data=str(photos), device="cpu")).per_class}
    assert rows == {"great white shark": 1, "tench": 1}


def test_classes_that_are_numbers_are_indices_with_a_warning(hub, photos, tmp_path):
    for name, number in (("n01440764", "0"), ("great_white_shark", "2")):
        (tmp_path / "numbered").mkdir(exist_ok=True)
        (tmp_path / "numbered" / number).symlink_to(photos / name)
    notes = Notes()
    config = EvalConfig(model=f"torchvision:{TORCHVISION}", data=str(tmp_path / "numbered"), device="cpu")
    assert open_model_and_data(config, notes).output_of.tolist() == [0, 2]
    assert any("taken as the indices of outputs: 0 is tench, 2 is great white shark" in line for line in notes.warnings)


def test_unknown_and_ambiguous_classes_are_refused(hub, photos, tmp_path):
    (tmp_path / "data").mkdir()
    for name, other in (("tench", "n01440764"), ("my cat", "great_white_shark")):
        (tmp_path / "data" / name).symlink_to(photos / other)
    config = EvalConfig(model=f"torchvision:{TORCHVISION}", data=str(tmp_path / "data"), device="cpu")
    with pytest.raises(InputError, match="was not trained on class my cat"):
        eval.run(config)
    (tmp_path / "data" / "my cat").rename(tmp_path / "data" / "tub")  # a bathtub, and a vat
    trained = open_model_and_data(options(f"torchvision:{TORCHVISION}", photos), SILENT, unlabelled=True).trained
    doubled = dataclasses.replace(
        trained, classes=tuple("tub" if k in (435, 876) else name for k, name in enumerate(imagenet_classes()))
    )
    data = dataclasses.replace(
        open_model_and_data(options(f"torchvision:{TORCHVISION}", photos), SILENT, unlabelled=True).data,
        classes=("tench", "tub"),
    )
    with pytest.raises(InputError, match="class tub is the name of outputs 435 and 876") as caught:
        map_classes(doubled, data)
    assert synsets()[435] in caught.value.hint


@pytest.mark.parametrize("spec", ["timm:test_resnet", "timm:test_vit", f"torchvision:{TORCHVISION}", f"hf:{HF}"])
def test_a_run_keeps_the_preparation_and_needs_no_hub(spec, library, hub, photos, monkeypatch, tmp_path):
    needs(spec, library)
    config = TrainConfig(model=spec, data=str(photos), epochs=1, batch_size=4, lr=1e-4, device="cpu", output=tmp_path / "run")
    result = train.run(config)
    assert any("last layer is reinitialised for 2 classes" in note for note in result.notes)
    card = json.loads((tmp_path / "run" / "model.json").read_text())
    assert card["prepare"]["crop"] == card["size"][0] and card["normalise"] != "none"
    monkeypatch.setenv("HF_ENDPOINT", NOWHERE)
    if not spec.startswith("hf:"):  # whose configuration is a file of the hub
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    published = open_model_and_data(options(spec, photos), SILENT, unlabelled=True) if spec.startswith("hf:") else None
    loaded = open_model_and_data(options(str(tmp_path / "run"), photos), SILENT, unlabelled=True)
    assert published is None or torch.equal(loaded.data.x_test, published.data.x_test)
    assert loaded.logits(loaded.split("test").x).shape == (8, 2)


def test_training_starts_from_the_published_weights_or_not(hub, photos, tmp_path):
    pytest.importorskip("timm")
    found = {}
    for weights in (None, "imagenet", "none"):
        folder = tmp_path / str(weights)
        given = {} if weights is None else {"weights": Path(weights)}
        train.run(
            TrainConfig(
                model="timm:test_resnet",
                data=str(photos),
                epochs=1,
                batch_size=8,
                lr=1e-9,
                device="cpu",
                output=folder,
                **given,
            )
        )
        from safetensors.torch import load_file

        found[weights] = load_file(folder / "weights.safetensors")["layer3.0.conv1.weight"]
    published = load_file(next((hub.folder / "timm").glob("test_resnet.*")) / "model.safetensors")["layer3.0.conv1.weight"]
    torch.testing.assert_close(found[None], published, rtol=0, atol=1e-6)
    assert torch.equal(found[None], found["imagenet"])
    assert not torch.allclose(found["none"], published, atol=1e-2)


def test_a_bare_name_of_torchvision_with_weights_imagenet(hub, photos, tmp_path):
    bare = TrainConfig(
        model=TORCHVISION, weights=Path("imagenet"), data=str(photos), epochs=1, lr=1e-9, device="cpu", output=tmp_path / "a"
    )
    train.run(bare)
    assert json.loads((tmp_path / "a" / "model.json").read_text())["model"] == f"torchvision:{TORCHVISION}.IMAGENET1K_V1"
    with pytest.raises(UsageError, match="lenet has no published weights"):
        train.run(dataclasses.replace(bare, model="lenet", output=None))


def test_size_and_normalise_replace_what_was_published(hub, photos):
    spec = f"torchvision:{TORCHVISION}"
    other = open_model_and_data(options(spec, photos, size=64, normalise="0.5/0.5"), SILENT, unlabelled=True)
    assert other.data.size == (64, 64) and other.trained.model.how.name == "0.5/0.5"
    assert any("replaces what" in note for note in other.trained.notes)


@pytest.mark.parametrize("name", ["test_resnet", pytest.param("test_efficientnet", marks=pytest.mark.slow)])
def test_a_still_video_is_its_picture(name, library, hub, tmp_path):
    own = needs(f"timm:{name}", library)
    image = smooth(1, (176, 208))
    film(tmp_path / "still.mkv", 4, shape=(176, 208), pixels=[np.asarray(image)] * 4, codec="ffv1")
    image.save(tmp_path / "picture.png")
    convert_2d_to_3d.run(Convert2DTo3DConfig(model=f"timm:{name}", frames=2, output=tmp_path / "video.safetensors"))
    (video,) = predict.run(options(str(tmp_path / "video.safetensors"), tmp_path / "still.mkv", top=5)).table.rows
    (picture,) = predict.run(options(f"timm:{name}", tmp_path / "picture.png", top=5)).table.rows
    assert video[2::2] == picture[2::2]
    assert video[3::2] == pytest.approx(picture[3::2], abs=1e-5)
    with torch.no_grad():
        expected = own(image).softmax(1)[0].topk(5)
    assert picture[2::2] == [imagenet_classes()[k] for k in expected.indices]
    assert picture[3::2] == pytest.approx(expected.values.tolist(), abs=1e-4)


@pytest.mark.slow
def test_photographs_get_the_labels_that_torchvision_gives_them(hub, shared_data, monkeypatch):
    """Weights of ImageNet on photographs whose table names their classes in its own way."""
    import torchvision

    weights, images = shared_data("weights/squeezenet1_1_imagenet.pth"), shared_data("images/imagenet")
    entry = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    name = f"squeezenet1_1-{hashlib.sha256(weights.read_bytes()).hexdigest()[:8]}.pth"
    (hub.folder / name).write_bytes(weights.read_bytes())
    url = f"https://download.pytorch.org/models/{name}"
    monkeypatch.setattr(entry, "_value_", dataclasses.replace(entry.value, url=url))
    loaded = open_model_and_data(EvalConfig(model="torchvision:squeezenet1_1", data=str(images), device="cpu"), SILENT)
    split = loaded.split("test")
    files, found = split.metadata["file"][:60], loaded.logits(split.x[:60])
    model = torchvision.models.squeezenet1_1()
    model.load_state_dict(torch.load(weights, weights_only=True))
    with torch.no_grad():
        pictures = [entry.transforms()(Image.open(images / file).convert("RGB")) for file in files]
        expected = model.eval()(torch.stack(pictures))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    numbers = dict(zip(*_columns(images / "labels.csv", "file", "class_index"), strict=True))
    assert split.y[:60].tolist() == [int(numbers[file]) for file in files]
    assert (found.argmax(1) == split.y[:60]).float().mean() > 0.4


def _columns(path: Path, *names: str) -> list[list[str]]:
    import csv

    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [[row[name] for row in rows] for name in names]
