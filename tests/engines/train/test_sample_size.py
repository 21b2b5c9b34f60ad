"""`detect`: how many seeds a comparison needs, told by the comparison itself."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from dlcli.core.sample_size import pairs_needed
from dlcli.engines import train
from dlcli.specs.train import SEEDS_OF_A_ROOT, TrainConfig
from dlcli.support.errors import UsageError

SETTINGS = {"model": "mlp", "epochs": 2, "device": "cpu", "precision": "float32", "limit": 300, "workers": 1}


def _gaps(result):
    sides = {name: [row.accuracy.value for row in result.rows if row.variant == name] for name in ("this", "--lr 0.0005")}
    return np.subtract(*sides.values())


def test_seeds_follow_from_the_spread_of_the_pairs(tmp_path):
    result = train.run(TrainConfig(**SETTINGS, lr=0.002, versus="--lr 0.0005", seeds=4, detect=0.01, output=tmp_path / "run"))
    first, *others = result.comparisons
    assert first.metric == "test accuracy"
    assert all(one.needed is None for one in others)
    assert first.needed.deviation == pytest.approx(_gaps(result).std(ddof=1))
    expected = pairs_needed(0.01, _gaps(result).std(ddof=1), 3, most=SEEDS_OF_A_ROOT)
    assert (first.needed.effect, first.needed.seeds) == (0.01, expected)
    assert first.needed.seeds_if_exact <= first.needed.seeds
    assert f"1 point in test accuracy is established in 80% of comparisons with {expected:,} seeds" in result.notes[0]
    assert first.needed.minutes * 60 == pytest.approx(expected * sum(row.seconds for row in result.rows) / 4)
    json.dumps(asdict(first.needed), allow_nan=False)


def test_several_pairs_are_held_to_the_level_of_one_of_them():
    result = train.run(TrainConfig(**SETTINGS, lr=(0.002, 0.001, 0.0005), seeds=2, detect=0.02))
    assert len(result.comparisons) == 3
    for one in result.comparisons:
        half = (one.difference.high - one.difference.low) / 2
        deviation = half * np.sqrt(2) / 12.706204736432095  # the 97.5% point of t with one degree of freedom
        assert one.needed.seeds == pairs_needed(0.02, deviation, 1, level=0.05 / 3, most=SEEDS_OF_A_ROOT)
    assert len([note for note in result.notes if "is established in 80%" in note]) == 3


def test_two_networks_that_never_differ_have_the_spread_of_rounding():
    result = train.run(TrainConfig(**SETTINGS, versus="--label-smoothing 0", label_smoothing=0.0, seeds=2, detect=0.001))
    needed = result.comparisons[0].needed
    assert needed.deviation == pytest.approx(1 / result.n_test / np.sqrt(6))
    assert needed.seeds > 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detect": 0.01}, "`detect` needs `versus`"),
        ({"detect": 0.0, "versus": "--lr 1"}, "`detect`: 0 is not above 0"),
        ({"detect": 0.01, "versus": "--detect 0.1"}, "--detect is not a difference"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        train.run(TrainConfig(model="mlp", **options))
