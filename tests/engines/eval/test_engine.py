"""The engines of `dlcli eval` and `dlcli predict`, with networks whose answers are known beforehand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dlcli.cli.commands.eval import COMMAND as EVAL
from dlcli.cli.commands.predict import COMMAND as PREDICT
from dlcli.core.compute.forward import predict_logits
from dlcli.core.data import open_data
from dlcli.core.model_io.cached import MemberPlan, train_or_load
from dlcli.core.model_io.run_dir import load_model, save_model
from dlcli.core.model_io.untrained import open_model
from dlcli.core.proportion import proportion
from dlcli.engines import eval, predict
from dlcli.engines.eval.engine import FILES
from dlcli.specs import parse
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.figures import percent
from dlcli.specs.predict import PredictConfig
from dlcli.support.errors import InputError, UsageError
from tests.core.data.pictures import picture

CPU = torch.device("cpu")
READER = '''
"""Networks that read their answer from the first pixels."""
import torch
from torch import nn


class Reader(nn.Module):
    """The logits are log of the first `classes` pixels of the first row."""

    def __init__(self, classes, outputs=None):
        super().__init__()
        self.classes = outputs or classes
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * x[:, 0, 0, : self.classes].clamp_min(1e-6).log()
'''


def images(answers: list[tuple[float, ...]], side: int = 10) -> np.ndarray:
    """Images whose first row holds the probabilities that `Reader` gives."""
    found = np.zeros((len(answers), side, side), dtype=np.float32)
    for image, row in zip(found, answers, strict=True):
        image[0, : len(row)] = row
    return found


@pytest.fixture
def reader(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text(READER)
    return f"{tmp_path}/nets.py:Reader"


@pytest.fixture
def two(tmp_path: Path) -> str:
    """Two classes; of the six test images the first four are right."""
    rows = [(0.9, 0.1), (0.82, 0.18), (0.45, 0.55), (0.3, 0.7), (0.05, 0.95), (0.65, 0.35)]
    labels = np.array(["ham", "ham", "spam", "spam", "ham", "spam"])
    np.savez(tmp_path / "two.npz", x_train=images(rows[:4]), y_train=labels[:4], x_test=images(rows), y_test=labels)
    return str(tmp_path / "two.npz")


def figures(result: EvalResult) -> dict[str, float]:
    return {one.name: one.estimate.value for one in result.metrics}


def test_every_figure_of_a_network_that_is_known(reader: str, two: str):
    result = eval.run(EvalConfig(model=reader, data=two, device="cpu"))
    found = figures(result)
    right = [0.9, 0.82, 0.55, 0.7, 0.05, 0.35]
    assert found["top-1"] == pytest.approx(4 / 6) and "top-5" not in found
    assert found["nll"] == pytest.approx(-np.log(right).mean(), rel=1e-5)
    assert found["brier"] == pytest.approx(np.mean([2 * (1 - p) ** 2 for p in right]), rel=1e-5)
    # Scores for spam: ham .10 .18 .95, spam .55 .70 .35: of nine pairs six are in order.
    assert found["auc"] == pytest.approx(6 / 9)
    # Every confidence is in a bin of its own.
    plain, ece = np.mean([0.1, 0.18, 0.45, 0.3, 0.95, 0.65]), next(one.estimate for one in result.metrics if one.name == "ece")
    assert ece.low <= ece.value < plain < ece.high  # corrected for what chance adds to six bins of one image
    # Two mistakes allow no interval of the log-likelihood: null in JSON, empty in CSV.
    nll = next(row for row in result.records() if row["metric"] == "nll")
    assert (nll["low"], nll["high"], nll["n"]) == (None, None, 6)
    cells = {(one.true, one.predicted): one.count for one in result.confusion}
    assert cells == {("ham", "ham"): 2, ("ham", "spam"): 1, ("spam", "ham"): 1, ("spam", "spam"): 2}
    assert [(row.name, row.accuracy.value, row.most_confused_with) for row in result.per_class] == [
        ("ham", pytest.approx(2 / 3), "spam"),
        ("spam", pytest.approx(2 / 3), "ham"),
    ]
    assert [(m.index, m.true, m.predicted) for m in result.mistakes] == [(4, "ham", "spam"), (5, "spam", "ham")]
    assert [m.probability for m in result.mistakes] == pytest.approx([0.95, 0.65], rel=1e-5)
    shown = [one.estimate for one in result.metrics if one.estimate.low is not None]
    # Nor do three images of a class allow one of the means over classes.
    assert len(shown) == len(result.metrics) - 4 and all(one.low <= one.value <= one.high for one in shown)
    assert sum(one.n for one in result.bins) == result.n_images == 6
    assert "as the code returns it" in result.notes[0]


@pytest.mark.parametrize(("bound", "failed"), [(0.6, False), (0.7, True)])
@pytest.mark.parametrize("name", ["top-1", "accuracy"])
def test_fail_under(reader: str, two: str, bound: float, failed: bool, name: str):
    result = eval.run(EvalConfig(model=reader, data=two, device="cpu", fail_under=(name, bound)))
    assert bool(result.failed) == failed
    if failed:
        assert result.failed.startswith("top-1 on test is 0.667 [") and "below 0.7" in result.failed


@pytest.mark.parametrize(
    ("typed", "failed"), [("top-1=0.7", True), ("top-1=0.7:established", False), ("top-1=0.99:established", True)]
)
def test_fail_under_by_the_point_or_by_the_whole_interval(reader: str, two: str, typed: str, failed: bool):
    """4 of 6 images are right: 1 is outside the interval, 0.7 inside."""
    found = EvalConfig(model=reader, data=two, device="cpu", fail_under=parse.condition(typed))
    assert parse.show_condition(found.fail_under) == typed
    result = eval.run(found)
    assert bool(result.failed) == failed and ("whole interval" in result.failed) == (failed and "est" in typed)


def test_a_gate_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="'surely' is not established"):
        parse.condition("top-1=0.7:surely")
    with pytest.raises(UsageError, match="'surely' is not established"):
        EvalConfig(fail_under=("top-1", 0.7, "surely"))


def test_a_metric_that_is_not_there_is_refused(reader: str, two: str):
    with pytest.raises(InputError, match="there is no top-5 here"):
        eval.run(EvalConfig(model=reader, data=two, device="cpu", fail_under=("top-5", 0.5)))


def test_one_image_is_enough(reader: str, two: str):
    result = eval.run(EvalConfig(model=reader, data=two, device="cpu", limit=1))
    whole = {"balanced-accuracy", "macro-precision", "macro-f1", "mcc"}
    assert set(figures(result)) == {"top-1", "worst-class", "nll", "brier", "ece"} | whole
    assert any("no AUC" in note for note in result.notes)
    json.dumps([vars(one.estimate) for one in result.metrics], allow_nan=False)
    assert result.per_class[1].accuracy is None and ("spam", "", "", "0", "") in EVAL.table(result).rows


def test_the_diagnosis_measures_every_set(tmp_path: Path, reader: str):
    """Errors by construction: train 0 of 400, train-dev 0 of 300, dev 90 of 300, test 100 of 300: mismatch."""
    arrays = {}
    for name, n, wrong in (("train", 400, 0), ("train_dev", 300, 0), ("dev", 300, 90), ("test", 300, 100)):
        labels = np.arange(n) % 2
        says = np.where(np.arange(n) < wrong, 1 - labels, labels)
        arrays[f"x_{name}"] = images([(0.9, 0.1) if one == 0 else (0.1, 0.9) for one in says])
        arrays[f"y_{name}"] = labels
    np.savez(tmp_path / "shifted.npz", **arrays)
    config = EvalConfig(model=reader, data=str(tmp_path / "shifted.npz"), device="cpu", diagnose=True, human_error=0.0)
    result = eval.run(config)
    found = result.diagnosis
    assert {split: (one.value, one.n) for split, one in found.errors.items()} == {
        "train": (0, 400),
        "train-dev": (0, 300),
        "dev": (pytest.approx(0.3), 300),
        "test": (pytest.approx(1 / 3), 300),
    }
    assert (found.largest, found.named, found.missing) == ("data mismatch", ("data mismatch",), ())
    assert [gap.status for gap in found.gaps] == ["not established"] * 2 + ["established", "not established"]
    assert figures(result)["top-1"] == pytest.approx(2 / 3)
    answer = EVAL.table(result).answer
    assert answer.startswith("The largest gap is data mismatch: +30.0 points [") and "established. " in answer
    assert EVAL.table(result).strong == {3} and len(result.records()) == 4
    assert answer == EVAL.answer(result)
    dev = eval.run(replace(config, split="dev"))
    assert figures(dev)["top-1"] == pytest.approx(0.7) and dev.diagnosis == found


def test_shifted_images_are_a_data_mismatch(tmp_path: Path):
    """Digits, trained and held out where they stand, but dev and test moved by two pixels."""
    data = open_data("digits")
    kept, held = slice(0, 900), slice(900, None)
    moved = data.x_test.roll((1, 2), (2, 3))
    arch = open_model(None, data)
    part = replace(data, x_train=data.x_train[kept], y_train=data.y_train[kept])
    recipe = replace(arch.recipe, epochs=8)
    member = train_or_load(MemberPlan(arch=arch, data=part, recipe=recipe, seed=0, name="baseline", device=CPU))
    save_model(
        tmp_path / "run",
        model=member.model,
        spec=arch.name,
        surgery=[],
        data="digits",
        channels=1,
        size=data.size,
        classes=data.classes,
    )
    sets = {
        "train": (data.x_train[kept], data.y_train[kept]),
        "train_dev": (data.x_train[held], data.y_train[held]),
        "dev": (moved[:300], data.y_test[:300]),
        "test": (moved[300:], data.y_test[300:]),
    }
    arrays = {f"x_{name}": x.squeeze(1).numpy() for name, (x, _) in sets.items()}
    arrays |= {f"y_{name}": y.numpy() for name, (_, y) in sets.items()}
    np.savez(tmp_path / "moved.npz", **arrays)
    config = EvalConfig(model=str(tmp_path / "run"), data=str(tmp_path / "moved.npz"), device="cpu", diagnose=True)
    found = eval.run(config).diagnosis
    assert found.largest == "data mismatch" and found.gaps[3].status != "established"


@pytest.fixture
def sites(tmp_path: Path) -> str:
    """Three sites of 100 images: of the north 95 are right, of the south 90, of the west 50; the sites are mixed."""
    site = np.array(["north", "south", "west"] * 100)
    right = np.arange(300) // 3 < np.where(site == "north", 95, np.where(site == "south", 90, 50))
    labels = np.arange(300) // 3 % 2
    x = images([(0.9, 0.1) if one == good else (0.1, 0.9) for one, good in zip(labels == 0, right, strict=True)])
    arrays = {"x_train": x[:4], "y_train": np.arange(4) % 2, "x_test": x, "y_test": labels}
    np.savez(tmp_path / "sites.npz", **arrays, site=site, hour_test=np.arange(300) % 24)
    return str(tmp_path / "sites.npz")


def test_the_worst_slice_is_found_by_name(tmp_path: Path, reader: str, sites: str):
    config = EvalConfig(model=reader, data=sites, device="cpu", slices=("site", "hour", "class"), output=tmp_path / "out")
    result = eval.run(config)
    rows = {f"{row.column}={row.name}": row for row in result.slices}
    assert [rows[f"site={name}"].accuracy.value for name in ("north", "south", "west")] == [0.95, 0.9, 0.5]
    assert [rows[f"site={name}"].status for name in ("north", "south", "west")] == ["better", "better", "worse"]
    assert {row.name for row in result.slices if row.column == "hour"} == {"0 to 5", "6 to 11", "12 to 17", "18 to 23"}
    assert {row.name: row.accuracy for row in result.slices if row.column == "class"} == {
        row.name: row.accuracy for row in result.per_class
    }
    assert result.worst_slice == "site=west" and figures(result)["worst-slice"] == 0.5
    table = EVAL.table(result)
    assert [row[0] for k, row in enumerate(table.rows) if k in table.strong] == ["site=west"]
    assert (table.rows[-1][0], table.rows[-1][1], table.rows[-1][-1]) == ("all images", percent(proportion(235, 300)), "300")
    assert [row[1] for row in table.rows[:-1]] == sorted(
        (row[1] for row in table.rows[:-1]), key=lambda one: float(one.split()[0])
    )
    assert "; the worst slice is site=west, 50.0% [" in EVAL.answer(result) and EVAL.answer(result).endswith("], worse")
    assert [record["slice"] for record in result.records()] == [row.name for row in result.slices]
    assert len({tuple(record) for record in result.records()}) == 1
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Accuracy by subgroup" in page and "west" in page


@pytest.mark.parametrize(("bound", "failed"), [(0.4, False), (0.6, True)])
def test_the_worst_slice_is_held_to_a_bound(reader: str, sites: str, bound: float, failed: bool):
    config = EvalConfig(model=reader, data=sites, device="cpu", slices=("site",), fail_under=("worst-slice", bound))
    assert bool(eval.run(config).failed) == failed


@pytest.fixture
def films(tmp_path: Path) -> str:
    """Sixty films of two scenes and of eight equal frames each, with 45 of them right; the scenes do not differ."""
    right = np.arange(60) % 4 > 0
    x = images([(0.9, 0.1) if one == good else (0.1, 0.9) for one, good in zip(np.arange(60) % 2 == 0, right, strict=True)])
    frames = np.arange(60).repeat(8)
    arrays = {"x_train": x[:4], "y_train": np.arange(4) % 2, "x_test": x[frames], "y_test": frames % 2}
    np.savez(tmp_path / "films.npz", **arrays, film=frames, scene=np.where(frames < 29, "day", "night"))
    return str(tmp_path / "films.npz")


def test_frames_of_one_film_count_as_one(reader: str, films: str):
    options = {"model": reader, "data": films, "device": "cpu", "slices": ("scene", "class")}
    alone, grouped = eval.run(EvalConfig(**options)), eval.run(EvalConfig(**options, group="film"))
    assert (alone.n_groups, grouped.n_groups, grouped.n_images) == (None, 60, 480)
    sixty = proportion(45, 60)
    for before, after in zip(alone.metrics, grouped.metrics, strict=True):
        assert before.name == after.name and (before.name == "nll" or after.estimate.low <= before.estimate.low)
    top = grouped.metrics[0].estimate
    # As sixty images, with a quarter of a film of each kind added and Student's t with 59 degrees of freedom.
    assert (top.value, top.n) == (0.75, 480)
    assert top.high - top.low == pytest.approx(sixty.high - sixty.low, rel=0.05)
    assert alone.metrics[0].estimate.high - alone.metrics[0].estimate.low < 0.5 * (top.high - top.low)
    # Fifteen films with a mistake allow no interval of the log-likelihood, 120 frames would.
    before, after = (next(m.estimate for m in result.metrics if m.name == "nll") for result in (alone, grouped))
    assert before.low is not None and after.why == "15 groups with a mistake"
    assert [row.status for row in grouped.slices[:2]] == ["not established"] * 2
    assert any("by 'film', of which there are 60 groups" in note for note in grouped.notes)


def test_a_group_that_is_no_column_is_refused_before_the_network_runs(reader: str, films: str):
    config = EvalConfig(model=reader, data=films, device="cpu", group="movie")
    for call in (eval.plan, eval.run):
        with pytest.raises(InputError, match="`group`: .* has no column 'movie'") as caught:
            call(config)
        assert "there are: film, scene" in caught.value.hint or "there are: scene, film" in caught.value.hint


def test_slices_of_the_first_images_only(reader: str, sites: str):
    rows = eval.run(EvalConfig(model=reader, data=sites, device="cpu", slices=("site",), limit=7)).slices
    assert {row.name: row.accuracy.n for row in rows} == {"north": 3, "south": 2, "west": 2}


def test_a_column_that_is_not_there(reader: str, two: str):
    with pytest.raises(InputError, match="two.npz has no column 'site'"):
        eval.run(EvalConfig(model=reader, data=two, device="cpu", slices=("site",)))
    with pytest.raises(InputError, match="has no column 'site'"):
        eval.plan(EvalConfig(model=reader, data=two, device="cpu", slices=("site",)))


def test_a_set_that_is_not_there_is_named(reader: str, two: str):
    with pytest.raises(InputError, match="has no split 'dev'") as caught:
        eval.run(EvalConfig(model=reader, data=two, device="cpu", split="dev", slices=("site",)))
    assert caught.value.hint == "it has train, test"


def test_a_run_directory_whose_classes_stand_in_another_order(tmp_path: Path, reader: str, two: str):
    from dlcli.core.models.base import from_callable

    model = from_callable(reader, 1, (10, 10), 2).build()
    save_model(
        tmp_path / "run",
        model=model,
        spec=reader,
        surgery=[],
        data="digits",
        channels=1,
        size=(10, 10),
        classes=("spam", "ham"),
    )
    result = eval.run(EvalConfig(model=str(tmp_path / "run"), data=two, device="cpu", trust_code=True))
    assert figures(result)["top-1"] == pytest.approx(2 / 6)  # what was right is wrong by the other order, and the reverse
    assert [row.name for row in result.per_class] == ["ham", "spam"]
    rows = predict.run(
        PredictConfig(model=str(tmp_path / "run"), data=two, split="test", device="cpu", trust_code=True)
    ).table.rows
    assert [row[1] for row in rows] == ["spam", "spam", "ham", "ham", "ham", "spam"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def digits_run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run directory of the network that is trained on digits."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    data = open_data("digits")
    arch = open_model(None, data)
    recipe = replace(arch.recipe, epochs=3)
    plan = MemberPlan(arch=arch, data=data, recipe=recipe, seed=0, name="baseline", device=CPU)
    member = train_or_load(plan, cache=home / "dlcli" / "models")
    folder = tmp_path / "run"
    save_model(
        folder, model=member.model, spec=arch.name, surgery=[], data="digits", channels=1, size=data.size, classes=data.classes
    )
    return folder


def test_digits_from_a_run_directory_to_all_files(digits_run: Path, tmp_path: Path):
    out = tmp_path / "out"
    result = eval.run(EvalConfig(model=str(digits_run), device="cpu", output=out, diagnose=True))
    data = open_data("digits")
    logits = predict_logits(load_model(digits_run, CPU).model, data.x_test, device=CPU)
    assert figures(result)["top-1"] == pytest.approx(float((logits.argmax(1) == data.y_test).double().mean()))
    top5 = (logits.topk(5).indices == data.y_test[:, None]).any(1)
    assert figures(result)["top-5"] == pytest.approx(float(top5.double().mean()))
    assert {path.name for path in out.iterdir()} == set(FILES)
    page = (out / "report.html").read_text()
    assert "Where the error comes from" in page and result.model_sha256 in page
    assert result.diagnosis.missing == ("train-dev", "dev")
    assert sum(one.count for one in result.confusion) == 599 and len(result.mistakes) <= 24
    records = result.records()
    assert len({tuple(record) for record in records}) == 1


def test_moves_name_the_network_its_run_and_twice_its_epochs(digits_run: Path, tmp_path: Path):
    """Every label is wrong by one, so that all error is bias."""
    data = open_data("digits")
    arrays = {"x_train": data.x_train, "y_train": (data.y_train + 1) % 10, "x_test": data.x_test, "y_test": data.y_test}
    np.savez(tmp_path / "off by one.npz", **{name: tensor.squeeze().numpy() for name, tensor in arrays.items()})
    config = EvalConfig(model=str(digits_run), data=str(tmp_path / "off by one.npz"), device="cpu", diagnose=True)
    found = eval.run(config).diagnosis
    assert found.largest == "avoidable bias"
    commands = " ".join(one.command for one in found.suggestions)
    assert f"dlcli train --data '{tmp_path}/off by one.npz' --model digits-net --epochs 30" in commands
    assert "--optimizer adamw" in commands and "--model cifar-resnet-56" in commands


def test_no_old_grid_is_left_where_there_are_no_mistakes(tmp_path: Path, reader: str):
    np.savez(tmp_path / "easy.npz", x=images([(0.9, 0.1), (0.1, 0.9)] * 10), y=np.arange(20) % 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mistakes.png").write_bytes(b"old")
    eval.run(EvalConfig(model=reader, data=str(tmp_path / "easy.npz"), device="cpu", output=tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(FILES) - {"mistakes.png"}


def test_the_summary_of_a_trained_and_of_an_untrained_network(digits_run: Path):
    trained = eval.run(EvalConfig(model=str(digits_run), summary=True, device="cpu"))
    untrained = eval.run(EvalConfig(arch="digits-net", summary=True, device="cpu"))
    assert trained.summary.parameters == untrained.summary.parameters == 20_106
    assert trained.summary.receptive_field == (12, 12)
    assert trained.model_sha256 and not untrained.model_sha256
    assert any("untrained" in note for note in untrained.notes)
    assert EVAL.table(trained).rows[-1][1:3] == ("756,992", "20,106") and not trained.metrics
    assert "20,106 parameters" in EVAL.answer(trained) and len(trained.records()) == 11


def test_a_network_of_torchvision_is_summarised_as_published():
    """Without data: torchvision publishes 1,235,496 parameters and 0.349 G multiply-adds."""
    result = eval.run(EvalConfig(arch="squeezenet1_1", summary=True, device="cpu"))
    assert result.summary.input == (3, 224, 224) and result.summary.parameters == 1_235_496
    assert round(result.summary.multiply_adds / 1e9, 3) == 0.349
    assert any("random images of 3x224x224 and 1,000 classes" in note for note in result.notes)
    assert eval.run(EvalConfig(arch="squeezenet1_1", summary=True, device="cpu", size=64)).summary.input == (3, 64, 64)


def test_attention_is_shown_to_see_the_whole_image():
    table = EVAL.table(eval.run(EvalConfig(arch="vit_b_32", summary=True, device="cpu")))
    first = "encoder.layers.encoder_layer_0.self_attention"
    (every,) = table.details
    assert next(row for row in every.rows if row[0] == first)[-1] == every.rows[-1][-1] == "whole image"
    assert len(table.rows) == 13 and len(every.rows) > 13 and table.rows[-1] == every.rows[-1]
    assert table.notes[0].endswith(f"Attention sees the whole image from {first} on.")


def test_the_weights_of_an_untrained_network_come_of_the_seed():
    config = EvalConfig(arch="cifar-resnet-8", size=32, summary=True, device="cpu")
    first, again, other = (eval.run(replace(config, seed=seed)).summary for seed in (0, 0, 3))
    assert first == again and other.layers == first.layers
    assert other.effective_field != first.effective_field


def test_predictions_are_those_of_the_network(digits_run: Path):
    result = predict.run(PredictConfig(model=str(digits_run), data="digits", device="cpu", top=2, limit=50))
    data = open_data("digits")
    p = predict_logits(load_model(digits_run, CPU).model, data.x_test[:50], device=CPU).double().softmax(1)
    assert result.table.columns == ["index", "label", "probability", "label_2", "probability_2"]
    best = p.topk(2)
    for k, row in enumerate(result.table.rows):
        assert row[0] == k and [row[1], row[3]] == [str(label) for label in best.indices[k].tolist()]
        assert [row[2], row[4]] == pytest.approx(best.values[k].tolist(), abs=1e-6)
    assert len(PREDICT.table(result).rows) == 10 and result.n_images == 50
    everything = predict.run(PredictConfig(model=str(digits_run), device="cpu", top=99, limit=1)).table
    assert len(everything.columns) == 1 + 2 * 10
    assert sum(everything.rows[0][2::2]) == pytest.approx(1, abs=1e-5)


def test_pictures_without_labels_are_told_by_their_files(digits_run: Path, tmp_path: Path):
    x = (open_data("digits").x_test[:4] * 255).round()
    for k, pixels in enumerate(x.byte().numpy()):
        picture(tmp_path / "flat" / f"{k}.png", pixels[0])
    picture(tmp_path / "large.png", x[2].byte().numpy()[0].repeat(3, 0).repeat(3, 1))
    p = predict_logits(load_model(digits_run, CPU).model, x / 255, device=CPU).double().softmax(1)
    config = PredictConfig(model=str(digits_run), data=str(tmp_path / "flat"), device="cpu", top=1)
    table = predict.run(config).table
    assert table.columns == ["index", "file", "label", "probability"]
    assert [row[:3] for row in table.rows] == [[k, f"{k}.png", str(label)] for k, label in enumerate(p.argmax(1).tolist())]
    assert [row[3] for row in table.rows] == pytest.approx(p.amax(1).tolist(), abs=1e-6)
    (alone,) = predict.run(replace(config, data=str(tmp_path / "flat" / "2.png"))).table.rows
    assert alone[1:] == pytest.approx(table.rows[2][1:], abs=1e-6)
    assert "1 test images of 1x8x8, no labels" in predict.plan(replace(config, data=str(tmp_path / "large.png")))[0]
    with pytest.raises(InputError, match="has no label"):
        eval.run(EvalConfig(model=str(digits_run), data=str(tmp_path / "large.png"), device="cpu"))


def test_weights_whose_classes_nobody_knows_number_them_without_labels_too(digits_run: Path, tmp_path: Path):
    picture(tmp_path / "one.png", np.eye(8, dtype=np.uint8) * 255)
    rows = [
        predict.run(PredictConfig(model=str(model), arch=arch, data=str(tmp_path / "one.png"), device="cpu")).table.rows
        for model, arch in ((digits_run, None), (digits_run / "weights.safetensors", "digits-net"))
    ]
    assert rows[0] == rows[1]  # the digits are called as they are numbered


@pytest.mark.parametrize("command", [eval, predict])
def test_the_plan_opens_but_does_nothing(command, digits_run: Path, tmp_path: Path):
    kind = EvalConfig if command is eval else PredictConfig
    lines = command.plan(kind(model=str(digits_run), data="digits", device="cpu", output=tmp_path / "out.csv"))
    assert "1,198 train, 599 test images of 1x8x8" in lines[0] and "digits-net" in lines[1]
    assert "out.csv" in lines[-1] and not (tmp_path / "out.csv").exists()
    with pytest.raises(InputError):
        command.plan(kind(model="no-such-run", device="cpu"))


@pytest.mark.parametrize(
    ("config", "values", "said"),
    [
        (EvalConfig, {"diagnose": True, "summary": True}, "`diagnose` and `summary`"),
        (EvalConfig, {"diagnose": True, "slices": ("class",)}, "`diagnose` and `slices` do not go together"),
        (EvalConfig, {"summary": True, "slices": ("class",)}, "`slices` and `summary` do not go together"),
        (EvalConfig, {"slices": ("class", "class")}, "`slices`: a column is given twice"),
        (EvalConfig, {"summary": True, "group": "film"}, "`group` and `summary` cannot be combined"),
        (EvalConfig, {"fail_under": ("worst-slice", 0.5)}, "worst-slice needs `slices`"),
        (EvalConfig, {"human_error": 0.1}, "`human_error` needs `diagnose`"),
        (EvalConfig, {"human_error": 1.1, "diagnose": True}, "`human_error`: 1.1 is above 1"),
        (EvalConfig, {"fail_under": ("nll", 1.0)}, "'nll' is not one of top-1"),
        (EvalConfig, {"fail_under": ("top-1", 1.0), "summary": True}, "`summary` measures nothing"),
        (EvalConfig, {"arch": "lenet"}, "`arch` needs a checkpoint"),
        (EvalConfig, {"split": "validation"}, "`split`: 'validation' is not one of"),
        (PredictConfig, {"arch": "lenet"}, "`arch` needs a checkpoint"),
        (PredictConfig, {"top": 0}, "`top`: 0 is below 1"),
    ],
)
def test_options_that_do_not_go_together(config: type, values: dict[str, object], said: str):
    with pytest.raises(UsageError) as caught:
        config(**values)
    assert said in caught.value.message


def test_an_output_that_is_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not a folder"):
        eval.run(EvalConfig(output=tmp_path / "file"))
