"""One set in every layout: the same weights bit for bit, and every command reads it."""

import io

import numpy as np
import pytest
from PIL import Image

from dlcli.core.data import open_data
from dlcli.engines import attack, eval, predict, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.train import TrainConfig
from tests.core.data.layouts import LAYOUTS, as_npz, as_parquet, as_shards, as_table, as_webdataset, pictures_of
from tests.core.data.pictures import fill

pytest.importorskip("pyarrow")
_TRAIN = {"model": "mlp", "epochs": 2, "size": 6, "device": "cpu", "batch_size": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "classes"
    fill(root, ("ant", "bee", "cow"), n=7)
    return root


@pytest.fixture(scope="module")
def network(folder, tmp_path_factory):
    """A run trained on the folders, and the hash of its weights."""
    output = tmp_path_factory.mktemp("run") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(output.parent / "cache"))
        return output, train.run(TrainConfig(data=str(folder), output=output, **_TRAIN)).rows[0].weights_sha256


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_one_set_in_every_layout_gives_the_same_weights(folder, network, layout, tmp_path):
    spec = str(layout(folder, tmp_path))
    assert open_data(spec).fingerprint == open_data(str(folder)).fingerprint
    assert train.run(TrainConfig(data=spec, **_TRAIN)).rows[0].weights_sha256 == network[1]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_classes_called_by_numbers_are_in_numeric_order_in_every_layout(layout, tmp_path):
    fill(tmp_path / "classes", tuple(map(str, range(12))), n=2)
    folder = open_data(str(tmp_path / "classes"))
    found = open_data(str(layout(tmp_path / "classes", tmp_path)))
    assert folder.classes == found.classes == tuple(map(str, range(12)))
    if layout is as_npz:  # whose rows stay in the order of the array
        assert _examples(found) == _examples(folder)
    else:
        assert found.fingerprint == folder.fingerprint


def _examples(data):
    """The pixels and the class of every example."""
    return sorted((_pixels(x), int(y)) for split in data.splits.values() for x, y in zip(split.x, split.y, strict=True))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("10", "2", "1"), ("1", "2", "10")),
        (("10", "2", "-1"), ("-1", "2", "10")),
        (("10", "2", "cat"), ("10", "2", "cat")),
        (("010", "002"), ("002", "010")),
        (("10", "2", "03"), ("03", "10", "2")),
    ],
)
def test_only_whole_numbers_in_their_usual_notation_are_in_numeric_order(names, expected, tmp_path):
    fill(tmp_path / "classes", names, n=2)
    for spec in (tmp_path / "classes", as_table(tmp_path / "classes", tmp_path), as_npz(tmp_path / "classes", tmp_path)):
        assert open_data(str(spec)).classes == expected


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout is not as_npz], ids=lambda layout: layout.__name__)
def test_every_command_reads_every_layout(folder, network, layout, tmp_path):
    run, spec = str(network[0]), str(layout(folder, tmp_path))
    expected = eval.run(EvalConfig(model=run, data=str(folder), device="cpu"))
    assert eval.run(EvalConfig(model=run, data=spec, device="cpu")).metrics == expected.metrics
    every = predict.run(PredictConfig(model=run, data=spec, device="cpu")).table
    assert len(every.rows) == 21 and every.columns[:2] == ["index", "file"]
    some = predict.run(PredictConfig(model=run, data=spec, split="test", device="cpu")).table
    wanted = predict.run(PredictConfig(model=run, data=str(folder), split="test", device="cpu")).table
    assert [row[2:] for row in some.rows] == [row[2:] for row in wanted.rows]
    attacked = AttackConfig(model=run, data=spec, method=("fgsm",), limit=3, device="cpu")
    rows = attack.run(attacked).rows
    assert rows == attack.run(AttackConfig(model=run, data=str(folder), method=("fgsm",), limit=3, device="cpu")).rows


@pytest.mark.parametrize("layout", [as_parquet, as_shards, as_webdataset], ids=lambda layout: layout.__name__)
def test_every_image_is_predicted_in_the_order_of_the_files(folder, layout, tmp_path):
    data = open_data(str(layout(folder, tmp_path)), unlabelled=True)
    written = {path.read_bytes() for path in pictures_of(folder)}
    found = {_pixels(image) for image in data.x_test}
    assert len(data.x_test) == 21 and not data.classes
    assert found == {np.asarray(Image.open(io.BytesIO(data))).tobytes() for data in written}


def _pixels(image):
    return image.mul(255).round().byte().numpy().transpose(1, 2, 0).tobytes()


@pytest.mark.parametrize("layout", [as_shards, as_webdataset], ids=lambda layout: layout.__name__)
def test_what_does_not_fit_into_memory_is_streamed(folder, layout, tmp_path, monkeypatch):
    from dlcli.core.data import decoding, memmap, read_folder

    spec = str(layout(folder, tmp_path))
    expected = open_data(spec)
    for module in (decoding, memmap, read_folder):
        monkeypatch.setattr(module, "fits", lambda needed: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    streamed = open_data(spec)
    for name, split in streamed.splits.items():
        assert not split.x.is_floating_point() and split.y.equal(expected.splits[name].y)
        assert split.x.equal(expected.splits[name].x.mul(255).round().byte())
