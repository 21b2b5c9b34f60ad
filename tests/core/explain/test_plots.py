import numpy as np
import pytest

from dlcli.core.explain.plots import ExplainedImage, map_plot, signed_overlay, strength_overlay


def example(signed, image=None):
    signed = np.asarray(signed, dtype=np.float32)
    image = np.full((1, *signed.shape), 0.5, np.float32) if image is None else image
    return ExplainedImage("a", image, signed, np.abs(signed), "cat", "dog")


def test_what_raises_is_orange_and_what_lowers_blue():
    red, _, blue = signed_overlay(example([[1.0, 0.0], [0.5, -1.0]]))
    assert red[0, 0] > red[1, 0] > red[0, 1] > red[1, 1]
    assert blue[1, 1] > blue[0, 1] > blue[1, 0] > blue[0, 0]
    assert red[0, 1] == blue[0, 1]


def test_what_matters_more_is_brighter():
    values = np.linspace(0.3, 1, 16).reshape(4, 4)
    overlay = strength_overlay(example(values)).mean(0).flatten()
    assert (np.diff(overlay) > 0).all()


def test_a_few_outliers_do_not_hide_the_others():
    signed = np.full((20, 20), 0.1)
    signed[0, 0] = 100
    red, _, blue = signed_overlay(example(signed))
    assert (red - blue).min() > 0.3


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("value", [0.0, -1e-40, 5.0])
def test_any_map_can_be_drawn(channels, value):
    image = np.random.default_rng(0).uniform(size=(channels, 5, 7)).astype(np.float32)
    one = example(np.full((5, 7), value), image)
    for overlay in (signed_overlay(one), strength_overlay(one)):
        assert overlay.shape == (3, 5, 7)
        assert np.isfinite(overlay).all() and overlay.min() >= 0 and overlay.max() <= 1
    assert len(map_plot(one, target="logit").axes) == 3
