"""Intervals of an ensemble by group: copies of images are no further evidence."""

from pathlib import Path

import numpy as np
import pytest

from dlcli.engines import ensemble, train
from dlcli.specs.ensemble import EnsembleConfig, EnsembleResult
from dlcli.specs.train import TrainConfig

COPIES = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of noisy images; each test image stands there six times, as `film` says."""
    random, path = np.random.default_rng(0), tmp_path_factory.mktemp("group") / "films.npz"
    y = np.arange(240) % 2
    x = np.clip(random.normal(0.5, 0.3, (240, 8, 8)) + 0.1 * y[:, None, None], 0, 1).astype(np.float32)
    test = np.repeat(np.arange(180, 240), COPIES)
    film = np.arange(240)
    np.savez(
        path, x_train=x[:180], y_train=y[:180], x_test=x[test], y_test=y[test], film_train=film[:180], film_test=film[test]
    )
    return path


def run(data: Path, group: str | None) -> EnsembleResult:
    return ensemble.run(EnsembleConfig(data=str(data), members=3, epochs=2, model="mlp", device="cpu", group=group))


def test_copies_are_no_more_evidence(data: Path):
    by_image, by_film = run(data, None), run(data, "film")
    assert [one.weights_sha256 for one in by_image.members] == [one.weights_sha256 for one in by_film.members]
    for one, other in zip(by_image.rows, by_film.rows, strict=True):
        assert one.accuracy.value == pytest.approx(other.accuracy.value)
        if 0.2 < one.accuracy.value < 0.8:  # sixty images, not 360
            wider = (other.accuracy.high - other.accuracy.low) / (one.accuracy.high - one.accuracy.low)
            assert 0.8 * COPIES**0.5 < wider < 1.3 * COPIES**0.5
        if one.gain is not None and other.gain is not None:
            assert other.gain.low <= one.gain.low and one.gain.high <= other.gain.high
    assert "of which there are 60 groups" in " ".join(by_film.notes)
    assert not any("groups" in note for note in by_image.notes)


def test_a_training_says_by_what_its_intervals_are(data: Path):
    config = TrainConfig(data=str(data), epochs=1, model="mlp", device="cpu", group="film")
    assert (
        "Intervals are by 'film', of which there are 60 groups: images of one are not independent." in train.run(config).notes
    )
