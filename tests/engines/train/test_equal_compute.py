"""The side without pre-training at equal compute: which networks that are, how they are tested, where there are none."""

from pathlib import Path

import pytest

from dlcli.cli.commands.train import COMMAND
from dlcli.cli.layout import lines
from dlcli.core.evaluation.slices import holm
from dlcli.core.stats import mean_difference, p_value
from dlcli.engines import train
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import TrainResult
from tests.engines.train.test_pretrain import config
from tests.scored import integer_scores, table_folder

NONE = "--pretrain none"


def compared(**changes: object) -> TrainConfig:
    """40 labels of 60 images, of which each has two views: 2 epochs of them are 240 passes, as many as 6 of the labels."""
    settings = {"pretrain": "simclr", "limit": 60, "labels": 40, "pretrain_epochs": 2, "epochs": 1, "seeds": 2, "workers": 1}
    return config(**{**settings, **changes})


@pytest.fixture(scope="module")
def result() -> TrainResult:
    return train.run(compared(versus=NONE))


def test_the_longer_networks_are_those_of_more_epochs(result: TrainResult):
    equal = result.equal_compute
    assert equal is not None and equal.longer == f"{NONE} --epochs 7" and equal.variants == ("this", equal.longer)
    assert equal.image_passes == (240 + 40, 7 * 40) and equal.epochs == 7
    assert [row.seed for row in equal.rows] == [0, 1]
    for row in equal.rows:
        alone = train.run(config(pretrain="none", limit=60, labels=40, epochs=7, seed=row.seed))
        assert alone.rows[0].weights_sha256 == row.weights_sha256
    assert {row.variant for row in result.rows} == {"this", NONE}


def test_both_comparisons_are_tested_together(result: TrainResult):
    equal = result.equal_compute
    assert equal is not None
    given = [row.accuracy.value for row in result.rows if row.variant == "this"]
    gaps = []
    for rows in ([row for row in result.rows if row.variant == NONE], equal.rows):
        other = [row.accuracy.value for row in rows]
        gaps.append(mean_difference([a - b for a, b in zip(given, other, strict=True)], step=1 / 60))
    first, second = result.comparisons[0], equal.comparisons[0]
    assert (first.difference, second.difference) == tuple(gaps)
    assert [first.p, second.p] == pytest.approx(list(holm([p_value(gap) for gap in gaps])))
    for one in (first, second):
        assert one.verdict == ("established" if one.p <= 0.05 else "not established")


def test_they_stand_where_results_are_shown(result: TrainResult, tmp_path: Path):
    named = COMMAND.named(result, compared(versus=NONE))
    assert named.equal_compute.variants[0] == "--pretrain simclr"
    drawn = "\n".join(line.text for line in lines(COMMAND.table(named), 200, verbose=True, pictures=False))
    assert "same, equal compute" in drawn and "280 for --pretrain simclr, 280 for --pretrain none --epochs 7" in drawn
    assert "; at equal compute " in COMMAND.answer(named)
    assert len(result.records()) == 6 and result.records()[-1]["variant"] == f"{NONE} --epochs 7"
    folder = tmp_path / "pair"
    train.run(compared(versus=NONE, output=folder))
    assert "Equal compute: " in (folder / "report.html").read_text()
    assert f"{NONE} --epochs 7,1,7," in (folder / "runs.csv").read_text()
    assert any(f"train {NONE} --epochs 7: " in line for line in train.plan(compared(versus=NONE)))


POOLED = """
from torch import nn

def net(num_classes, in_channels):
    layers = nn.Conv2d(in_channels, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes)
    return nn.Sequential(*layers)
"""


def test_patches_count_by_their_area(tmp_path: Path):
    (tmp_path / "net.py").write_text(POOLED)
    found = train.run(
        compared(pretrain="spatial-contrasting", patch=4, model=f"{tmp_path / 'net.py'}:net", versus=NONE)
    ).equal_compute
    # Two patches of a quarter of the area are half a pass: 2 epochs of 60 images are 60, one and a half epochs of 40.
    assert found is not None and found.image_passes == (60 + 40, 3 * 40)


def test_the_other_side_may_be_the_one_that_is_pretrained():
    found = train.run(config(pretrain="none", limit=40, epochs=1, versus="--pretrain vicreg", seeds=2, workers=1)).equal_compute
    assert found is not None and found.longer == "--epochs 3" and found.variants == ("--epochs 3", "--pretrain vicreg")
    assert found.comparisons[0].variants == found.variants


@pytest.mark.parametrize(
    "changes",
    [
        {"versus": f"{NONE} --epochs 2"},
        {"versus": "--pretrain vicreg"},
        {"versus": "--lr 0.1"},
        {"versus": NONE, "semi": "entropy"},
    ],
)
def test_there_is_none_where_epochs_are_chosen_or_both_are_alike(changes: dict[str, object]):
    found = train.run(compared(**changes))
    assert found.equal_compute is None and len({row.variant for row in found.rows}) == 2
    assert found.comparisons[0].p is None


def test_scores_too(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(60))
    settings = {"data": str(folder), "task": "score", "model": "mlp", "limit": None, "seeds": 2, "workers": 1}
    found = train.run(config(**settings, versus=NONE))
    equal = found.equal_compute
    assert equal is not None and equal.longer == f"{NONE} --epochs 2"
    primary = [one.metric for one in found.comparisons if one.p is not None]
    assert [one.metric for one in equal.comparisons] == primary[: len(equal.comparisons)]
    assert "equal compute" in "\n".join(line.text for line in lines(COMMAND.table(found), 200, verbose=True, pictures=False))
