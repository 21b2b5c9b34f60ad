"""Attacks on a network that was trained by group: copies of images are no further evidence of robustness."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlcli.core.proportion import proportion
from dlcli.engines import attack, ensemble, train
from dlcli.engines.attack.checks import failed_checks
from dlcli.engines.attack.intervals import Intervals
from dlcli.specs.attack import AttackConfig, AttackResult
from dlcli.specs.corruption_attack import CorruptionResult
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.specs.train import TrainConfig
from tests.engines.attack.test_checks import SOUND

COPIES, FILMS = 4, 60
NOTE = f"Intervals are by 'film', of which there are {FILMS} groups: images of one are not independent."


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The same network trained by image and by film, and data whose test images stand there four times, as `film` says."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("groups")
    y = np.arange(240) % 2
    x = np.clip(random.normal(0.5, 0.3, (240, 8, 8)) + 0.3 * y[:, None, None], 0, 1).astype(np.float32)
    test, film, data = np.repeat(np.arange(180, 240), COPIES), np.arange(240), folder / "films.npz"
    films = {"film_train": film[:180], "film_test": film[test]}
    np.savez(data, x_train=x[:180], y_train=y[:180], x_test=x[test], y_test=y[test], **films)
    for name, group in (("image", None), ("film", "film")):
        train.run(TrainConfig(data=str(data), epochs=3, model="mlp", group=group, output=folder / name, device="cpu"))
    return data, folder / "image", folder / "film"


@pytest.fixture(autouse=True)
def cached(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "attack-groups"))


def one_step(data: Path, model: Path, **options: Any) -> AttackResult:
    """An attack of one step, which changes all copies of an image alike."""
    result = attack.run(AttackConfig(data=str(data), model=str(model), method="fgsm", eps="0.05", device="cpu", **options))
    assert isinstance(result, AttackResult)
    return result


@pytest.fixture(scope="module")
def attacked(runs: tuple[Path, Path, Path]) -> tuple[AttackResult, AttackResult]:
    """The network that was trained by image, and the same trained by film."""
    data, by_image, by_film = runs
    return one_step(data, by_image), one_step(data, by_film)


def width(found: Estimate | PointEstimate | Difference) -> float:
    assert found.low is not None and found.high is not None
    return found.high - found.low


def is_of_films(by_film: Estimate, by_image: Estimate) -> None:
    """The interval is that of as many images as there are films."""
    assert (by_film.value, by_film.n) == (by_image.value, by_image.n)
    films = by_film.n // COPIES
    assert width(by_film) == pytest.approx(width(proportion(by_film.value * films, films)), rel=0.1)
    assert width(by_film) > 1.5 * width(by_image)


def test_intervals_are_by_the_groups_of_the_training(attacked: tuple[AttackResult, AttackResult]) -> None:
    by_image, by_film = attacked
    assert 0.1 < by_film.headline.adversarial.value < by_film.headline.clean.value - 0.1
    for name in ("clean", "adversarial", "eight_bit"):
        is_of_films(getattr(by_film.headline, name), getattr(by_image.headline, name))
    for one, other in zip(by_film.by_method, by_image.by_method, strict=True):
        is_of_films(one.adversarial, other.adversarial)
    for of_class, same in zip(by_film.per_class, by_image.per_class, strict=True):
        is_of_films(of_class.clean, same.clean)
        is_of_films(of_class.adversarial, same.adversarial)
    assert NOTE in by_film.notes and not any("groups" in note for note in by_image.notes)


def test_differences_of_an_ensemble_are_by_group(runs: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    data, *_, run = runs
    folder = run.parent / "ensemble"
    ensemble.run(EnsembleConfig(data=str(data), members=3, epochs=2, model="mlp", group="film", output=folder, device="cpu"))
    result = one_step(data, folder)
    monkeypatch.setattr("dlcli.engines.attack.setup.groups_of_run", lambda *_: None)
    alone = one_step(data, folder)
    pairs = [
        (one.minus_mean, other.minus_mean)
        for one, other in zip(result.rows, alone.rows, strict=True)
        if one.minus_mean is not None and other.minus_mean is not None
    ]
    assert any(other.value for _, other in pairs)
    for one, other in pairs:
        assert one.value == other.value and one.low <= other.low and other.high <= one.high
        assert not other.value or width(one) > 1.5 * width(other)


def test_corruptions_are_by_group(runs: tuple[Path, Path, Path]) -> None:
    data, *models = runs
    options = {"data": str(data), "method": "corruptions", "corruptions": "contrast,pixelate", "device": "cpu"}
    options |= {"against": str(models[0])}
    by_image, by_film = (attack.run(AttackConfig(model=str(model), **options)) for model in models)
    assert isinstance(by_image, CorruptionResult) and isinstance(by_film, CorruptionResult)
    is_of_films(by_film.clean, by_image.clean)
    for one, other in zip(by_film.rows, by_image.rows, strict=True):
        is_of_films(one.accuracy, other.accuracy)
    assert by_film.mean_error.value == by_image.mean_error.value
    assert width(by_film.mean_error) > 1.5 * width(by_image.mean_error)
    assert NOTE in by_film.notes and not any("groups" in note for note in by_image.notes)


def test_a_gate_of_the_whole_interval_is_decided_by_group(
    runs: tuple[Path, Path, Path], attacked: tuple[AttackResult, AttackResult]
) -> None:
    by_image, by_film = attacked
    between = (by_image.headline.adversarial.high + by_film.headline.adversarial.high) / 2
    gate: dict[str, Any] = {"fail_under": f"robust={between}:established", "stop_when_sure": True}
    failing, passing = (one_step(runs[0], model, **gate) for model in runs[1:])
    assert failing.failed and failing.stopped is not None and failing.stopped.fails
    assert not passing.failed and passing.stopped is not None
    assert (passing.stopped.early, passing.stopped.decided, passing.stopped.fails) == (False, True, False)
    assert any("it passes" in note for note in passing.notes)
    assert passing.headline.adversarial == by_film.headline.adversarial


def test_one_film_is_no_sign_of_a_broken_attack() -> None:
    robust = {name: dict(by_eps) for name, by_eps in SOUND.robust.items()}
    more = robust["fgsm"][0.1].copy()
    more[-40:] = True  # PGD fails on the frames of a single film, which FGSM fools
    weak = replace(SOUND, robust=robust | {"pgd": {0.1: more, 0.2: robust["pgd"][0.2]}})
    assert [one.check for one in failed_checks(weak)][:1] == ["weaker than fgsm"]
    assert not failed_checks(replace(weak, group=np.arange(200) // 40))
    chance = replace(SOUND, clean=np.arange(200) < 40)
    assert not failed_checks(chance)
    assert [one.check for one in failed_checks(replace(chance, group=np.arange(200) // 40))] == ["clean accuracy at chance"]


def test_a_quantile_of_images_in_groups_has_no_interval() -> None:
    sizes = np.arange(100.0)
    assert isinstance(Intervals().quantile(sizes, 0.5), Estimate)
    grouped = Intervals(group=np.arange(100) // 10).quantile(sizes, 0.5)
    assert isinstance(grouped, PointEstimate) and (grouped.value, grouped.n) == (49.5, 100)
