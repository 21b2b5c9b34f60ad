import numpy as np
import pytest
import torch
from torch import Tensor

from dlcli.core.corruptions.all import CORRUPTIONS
from dlcli.core.corruptions.base import corrupt, is_small
from dlcli.specs import corruptions as specs

NAMES = tuple(CORRUPTIONS)
ANY_CHANNELS = [name for name in NAMES if not CORRUPTIONS[name].channels]
KEEP_A_FLAT_IMAGE = ("defocus-blur", "glass-blur", "motion-blur", "zoom-blur", "contrast", "elastic-transform", "pixelate")
SHAPES = [(3, 32, 32), (1, 28, 28), (1, 8, 8), (3, 40, 24), (3, 80, 72)]


def images(*shape: int, n: int = 4) -> Tensor:
    drawn = torch.rand((n, *shape), generator=torch.Generator().manual_seed(0))
    return (drawn * 255).round() / 255


def made(name: str, x: Tensor, severity: int, places: list[int] | None = None, seed: int = 0) -> Tensor:
    return corrupt(name, CORRUPTIONS[name], x, severity, list(range(len(x))) if places is None else places, seed)


def test_names_are_those_of_the_options() -> None:
    assert NAMES == specs.CORRUPTIONS
    assert len(NAMES) == 15


@pytest.mark.parametrize("name", NAMES)
def test_there_are_settings_for_each_severity(name: str) -> None:
    assert len(CORRUPTIONS[name].small) == len(CORRUPTIONS[name].large) == len(specs.SEVERITIES)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_images_keep_their_shape_and_have_whole_grey_levels(name: str, shape: tuple[int, int, int]) -> None:
    found = made(name, images(*shape), 5)
    assert found.shape == (4, *shape) and found.dtype == torch.float32
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    assert torch.equal(found, ((found * 255).round() / 255).float())
    assert not torch.equal(found, images(*shape))


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_corrupted_alike_whatever_it_stands_beside(name: str) -> None:
    x = images(3, 32, 32)
    whole = made(name, x, 3)
    assert torch.equal(made(name, x[2:], 3, [2, 3]), whole[2:])
    assert torch.equal(made(name, x.flip(0), 3, [3, 2, 1, 0]).flip(0), whole)


@pytest.mark.parametrize("name", [name for name in NAMES if "noise" in name or name in ("snow", "fog", "frost", "glass-blur")])
def test_another_seed_or_place_gives_another_image(name: str) -> None:
    x = images(3, 32, 32, n=1)
    assert not torch.equal(made(name, x, 3), made(name, x, 3, seed=1))
    assert not torch.equal(made(name, x, 3), made(name, x, 3, [1]))


@pytest.mark.parametrize("severity", specs.SEVERITIES)
@pytest.mark.parametrize("size", [32, 80])
@pytest.mark.parametrize("name", KEEP_A_FLAT_IMAGE)
def test_an_image_of_one_colour_stays_as_it_is(name: str, size: int, severity: int) -> None:
    x = torch.full((2, 3, size, size), 102 / 255)
    assert float((made(name, x, severity) - x).abs().max()) < 1.5 / 255


@pytest.mark.parametrize("name", ANY_CHANNELS)
def test_channels_of_any_number_are_taken_where_they_mean_something(name: str) -> None:
    assert made(name, images(5, 32, 32), 2).shape == (4, 5, 32, 32)


@pytest.mark.parametrize("name", ["gaussian-noise", "shot-noise", "impulse-noise", "contrast", "brightness", "fog"])
def test_a_higher_severity_changes_images_more(name: str) -> None:
    x = images(3, 32, 32)
    changes = [float((made(name, x, severity) - x).abs().mean()) for severity in specs.SEVERITIES]
    assert changes == sorted(changes)


def test_gaussian_noise_has_the_standard_deviation_of_its_severity() -> None:
    x = torch.full((40, 3, 32, 32), 128 / 255)
    for scale, severity in zip(CORRUPTIONS["gaussian-noise"].small, specs.SEVERITIES, strict=True):
        # Of 122,880 values the standard deviation is known to 0.2%; cutting off to levels adds 1 / (12 * 255**2).
        assert float((made("gaussian-noise", x, severity) - x).std()) == pytest.approx(scale, rel=0.015)


def test_shot_noise_has_the_variance_of_counts() -> None:
    x = torch.full((40, 1, 32, 32), 51 / 255)
    photons = CORRUPTIONS["shot-noise"].small[4]
    assert float(made("shot-noise", x, 5).var()) == pytest.approx(0.2 / photons, rel=0.06)


def test_impulse_noise_hits_its_share_of_the_values() -> None:
    x = torch.full((40, 3, 32, 32), 128 / 255)
    found, share = made("impulse-noise", x, 5), CORRUPTIONS["impulse-noise"].small[4]
    for value in (0, 1):
        assert float((found == value).float().mean()) == pytest.approx(share / 2, rel=0.07)
    assert torch.equal(torch.unique(found), torch.tensor([0, 128 / 255, 1]))


def test_the_size_decides_between_the_published_settings() -> None:
    assert is_small(32, 32) and is_small(64, 200) and not is_small(65, 65)
    x = torch.full((1, 3, 65, 65), 128 / 255)
    assert float((made("brightness", x, 5) - x).mean()) == pytest.approx(0.498, abs=0.005)  # 0.5, up to white
    assert np.isclose(float((made("brightness", x[..., :64], 5) - x[..., :64]).mean()), 0.3, atol=0.005)
