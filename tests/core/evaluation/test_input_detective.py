"""The search for how a network was fed, on networks whose right feeding is known by construction."""

import pytest
import torch
from torch import nn

from dlcli.core.data import open_data
from dlcli.core.evaluation.input_detective import diagnose_input, hypotheses, swapped
from dlcli.core.evaluation.input_evidence import LayerInputs, calibrated_losses, information, multiply_adds, relative_margins
from dlcli.core.layers.normalise import normalised
from dlcli.specs.normalise import parse_normalisation

DIGITS = open_data("digits")
X, Y = DIGITS.x_test[:200], DIGITS.y_test[:200]
GREY = ("none", "mnist", "0.5/0.5", "0-255", "0.449/0.226")
COLOUR = ("none", "imagenet", "0.5/0.5", "0-255", "imagenet:bgr", "none:bgr")


def photographs(n: int = 64) -> torch.Tensor:
    """Images (n, 3, 16, 16) whose colours differ in mean and spread and go together, as those of photographs do."""
    draw = torch.Generator().manual_seed(0)
    light = torch.rand(n, 1, 4, 4, generator=draw)
    colour = torch.rand(n, 3, 4, 4, generator=draw) * torch.tensor([0.3, 0.2, 0.4]).view(3, 1, 1)
    coarse = (0.5 * light + colour + torch.tensor([0.15, 0.1, 0.0]).view(3, 1, 1)).clamp(0, 1)
    return nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear")


def with_statistics(channels: int, x: torch.Tensor, how: str) -> nn.Module:
    """A network with batch normalisation whose statistics are those of `x` fed by `how`."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(channels, 16, 3, bias=False),
        nn.BatchNorm2d(16, momentum=None),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, bias=False),
        nn.BatchNorm2d(16, momentum=None),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )
    with torch.no_grad():
        normalised(net, how).train()(x)
    return net.eval()


def linear_classifier(how: str) -> nn.Module:
    """A softmax regression of digits that are fed by `how`, without batch normalisation."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    model, optimizer = normalised(net, how), torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(DIGITS.x_train), DIGITS.y_train).backward()
        optimizer.step()
    return net.eval()


@pytest.mark.parametrize(("channels", "right"), [*((1, how) for how in GREY), *((3, how) for how in COLOUR)])
def test_statistics_of_training_tell_the_right_feeding(channels, right):
    x, ways = (X, GREY) if channels == 1 else (photographs(), COLOUR)
    net = with_statistics(channels, x, right)
    for now in ways:
        found = diagnose_input(normalised(net, now), x[::2], None)
        assert (found.current, found.best, found.sure) == (now, right, now != right)
        assert (f"pass `normalise={right}`" in found.warning) == (now != right)


@pytest.mark.parametrize("scale", [1 / 1000, 1 / 16, 20, 65535])
def test_where_no_way_fits_the_closest_is_named_but_not_advised(scale):
    x = photographs()
    net = with_statistics(3, x, "imagenet")
    found = diagnose_input(net, scale * x[::2], None)
    lowest = min(found.feedings, key=lambda row: row.misfit)
    assert (found.sure, found.best) == (False, "") and lowest.misfit >= 0.5
    assert f"{lowest.misfit:.3g} nats" in found.warning and f"by `normalise={lowest.normalise}`" in found.warning
    assert "pass `normalise=" not in found.warning
    assert not diagnose_input(net, scale * x[:4], None).warning  # too few images


def test_before_more_training_only_what_is_plain_is_told():
    x = photographs()
    net = with_statistics(3, x, "imagenet")
    for now, warned in (("imagenet", False), ("imagenet:bgr", False), ("none", True)):
        found = diagnose_input(normalised(net, now), x[::2], None, only_statistics=True)
        assert found.sure is warned and (found.best == "imagenet") and bool(found.warning) is warned


@pytest.mark.parametrize("right", ["none", "0-255", "0.5/0.5"])
def test_labels_tell_it_where_there_are_no_statistics(right):
    net = linear_classifier(right)
    wrong = [now for now in ("none", "0.5/0.5", "0-255") if now != right]
    assert not diagnose_input(normalised(net, right), X, Y).sure
    for now in wrong:
        found = diagnose_input(normalised(net, now), X, Y)
        assert (found.best, found.sure, found.evidence) == (right, True, "labels")


def test_without_labels_only_what_is_plain_is_told():
    faint = diagnose_input(normalised(linear_classifier("0-255"), "none"), X, None)
    assert (faint.best, faint.sure, faint.evidence) == ("0-255", True, "predictions")
    saturated = diagnose_input(normalised(linear_classifier("none"), "0-255"), X, None)
    assert saturated.sure and saturated.best != "0-255"
    assert not diagnose_input(linear_classifier("none"), X, None).sure


def test_an_untrained_network_is_not_judged():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)).eval()
    for how in GREY:
        assert not diagnose_input(normalised(net, how), X, None, only_statistics=True).sure
        assert not diagnose_input(normalised(net, how), X, None).sure
        bare = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        assert not diagnose_input(normalised(bare, how), X, Y).sure


def test_images_and_random_numbers_are_left_alone():
    class InPlace(nn.Module):
        def forward(self, x):
            x -= 0.5
            return x.flatten(1)[:, :10] + 0 * torch.rand(1)

    before, state = X.clone(), torch.get_rng_state()
    diagnose_input(InPlace(), X, Y)
    assert torch.equal(before, X) and torch.equal(torch.get_rng_state(), state)


def test_a_network_that_fails_or_costs_too_much_is_not_judged():
    class Fails(nn.Module):
        def forward(self, x):
            raise RuntimeError("no")

    assert not diagnose_input(Fails(), X, Y).sure
    heavy = nn.Sequential(nn.Conv2d(1, 4096, 7, padding=3), nn.Conv2d(4096, 4096, 3, padding=1)).eval()
    assert diagnose_input(heavy, X[:1], None, task_size=1).evidence == "predictions"
    assert multiply_adds(nn.Linear(64, 10), X.flatten(1)) == 640
    assert multiply_adds(nn.Conv2d(1, 4, 3, padding=1), X) == 64 * 9 * 4


def test_colours_are_swapped_with_their_values():
    for name in (*COLOUR, "0.1,0.2,0.3/0.4,0.5,0.6"):
        before, after = parse_normalisation(name), parse_normalisation(swapped(name))
        assert (after.mean, after.std, after.bgr) == (before.mean[::-1], before.std[::-1], not before.bgr)
        assert parse_normalisation(swapped(swapped(name))) == before
    assert hypotheses(photographs(), "0.2/0.2")[0] == "0.2/0.2" and not any(":bgr" in name for name in hypotheses(X, "none"))


def test_the_misfit_is_the_divergence_of_gaussians():
    x = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2.0, 3.0]) + 1
    layer = LayerInputs(x, x**2, torch.zeros(3), torch.ones(3), 0.0)
    a = torch.distributions.Normal(x.mean(0), x.var(0, unbiased=False).sqrt())
    truth = torch.distributions.kl_divergence(a, torch.distributions.Normal(torch.zeros(3), torch.ones(3)))
    assert layer.misfit(torch.arange(len(x))) == pytest.approx(float(truth.mean()), rel=1e-4)


def test_scale_does_not_count_where_it_must_not():
    logits, y = torch.randn(300, 5, generator=torch.Generator().manual_seed(0)), torch.arange(300) % 5
    for k in (0.1, 10.0):
        assert float(calibrated_losses(k * logits, y).mean()) == pytest.approx(
            float(calibrated_losses(logits, y).mean()), abs=2e-3
        )
        assert torch.allclose(relative_margins(k * logits), relative_margins(logits), rtol=1e-4)
    assert information(100 * torch.eye(4)) == pytest.approx(torch.tensor(4.0).log().item())
    assert information(torch.zeros(4, 4)) == pytest.approx(0, abs=1e-6)
