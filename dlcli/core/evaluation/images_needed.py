"""How many test images establish a difference of two classifiers, by how often only one of both is right."""

from math import ceil, sqrt

from scipy.special import ndtr, ndtri

from dlcli.core.stats import Z
from dlcli.specs.sample_size import POWER


def images_needed(effect: float, disagreement: float, *, times: float = 1.0) -> int:
    """The smallest number of images with a `power_of_images` of at least `POWER` (Connor 1987, Biometrics 43, section 3).

    Args:
        effect: The difference of accuracies, above 0.
        disagreement: The share of images that only one of both is right on, at least `effect`.
        times: How many times the variance of independent images that of these is, at least 1: more where they come in groups.

    Returns:
        The number, at least 1.
    """
    variance = times * max(0.0, disagreement - effect**2)
    return max(1, ceil(variance * ((Z + float(ndtri(POWER))) / effect) ** 2))


def power_of_images(n: int, effect: float, disagreement: float, *, times: float = 1.0) -> float:
    """How often the 95% interval of the paired difference excludes 0 on the side of the truth.

    Args:
        n: Number of images.
        effect: See `images_needed`.
        disagreement: See `images_needed`.
        times: See `images_needed`.

    Returns:
        The power, in (0, 1].
    """
    variance = times * max(0.0, disagreement - effect**2)
    return 1.0 if variance == 0 else float(ndtr(effect / sqrt(variance / n) - Z))
