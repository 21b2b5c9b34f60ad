"""Classifiers as networks for masks: cut where they should be, dilated without a change at the old positions, aligned."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import ImageData
from dlcli.core.evaluation.dense_alignment import aligned
from dlcli.core.layers.dense_network import DenseNetwork, Grid, dense_part, placed
from dlcli.core.layers.normalise import Normalised, normalised
from dlcli.core.model_io.build import build_model
from dlcli.core.model_io.untrained import open_model
from dlcli.core.model_io.warm_start import warm_started
from dlcli.core.models import named_model
from dlcli.core.models.base import normalised_architecture
from dlcli.core.models.dense import dense_network
from dlcli.core.surgery import apply_surgery
from dlcli.support.errors import InputError, UsageError

CLASSES = ("a", "b", "c")


def template(size: tuple[int, int], channels: int = 3) -> ImageData:
    nothing, masks = torch.empty(0, channels, *size), torch.empty(0, *size, dtype=torch.uint8)
    return ImageData(nothing, masks, nothing, masks, CLASSES, "")


def build(name: str, size: tuple[int, int]) -> nn.Module:
    with preserved():
        torch.manual_seed(0)
        return named_model(name, template(size)).build().double().eval()


@pytest.mark.parametrize(
    ("name", "most", "removed"),
    [
        ("resnet18", 8, "fc"),
        ("mobilenet_v2", 8, "classifier.1"),
        ("shufflenet_v2_x0_5", 8, "fc"),
        ("tiny-darknet", 4, "49"),
        ("lenet", 1, "11"),
    ],
)
@torch.no_grad()
def test_dilated_scores_are_the_strided_ones_at_the_old_positions(name: str, most: int, removed: str):
    x = torch.rand(2, 3, 64, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    strided = build(name, (64, 96))
    found = dense_part(strided)
    assert found is not None and removed in found.removed
    dilated, _ = apply_surgery(strided, (f"dilate={most}",), x[:1])
    before, dense = found.scores(x), dense_part(dilated)
    assert dense is not None
    after = dense.scores(x)
    step = after.shape[-1] // before.shape[-1]
    assert step > 1 and after.shape[-2:] == tuple(step * side for side in before.shape[-2:])
    assert (after[..., ::step, ::step] - before).abs().max() < 1e-12
    assert strided(x).shape == dilated(x).shape == (2, 3, 64, 96)
    assert [p.shape for p in strided.parameters()] == [p.shape for p in dilated.parameters()]


@pytest.mark.parametrize("size", [(64, 96), (61, 83), (57, 70)])
@pytest.mark.parametrize(("name", "most"), [("squeezenet1_1", 8), ("squeezenet1_1", 2), ("squeezenet1_0", 4)])
@torch.no_grad()
def test_poolings_that_round_up_are_dilated_exactly_at_any_size(name: str, most: int, size: tuple[int, int]):
    x = torch.rand(1, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    strided = build(name, size)
    dilated, _ = apply_surgery(strided, (f"dilate={most}",), x[:1])
    before, after = (part.scores(x) for part in map(dense_part, (strided, dilated)) if part is not None)
    step = 16 // most
    assert tuple(after.shape[-2:]) == tuple(step * (side - 1) + 1 for side in before.shape[-2:])
    assert (after[..., ::step, ::step] - before).abs().max() < 1e-12
    assert dilated(x).shape == (1, 3, *size)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("side", range(7, 19))
@torch.no_grad()
def test_two_poolings_that_round_up_keep_their_values(side: int, padding: int):
    """The second one looks at a map that is dense already, of which it saw every second position."""
    net = nn.Sequential(*(nn.MaxPool2d(3, 2, padding, ceil_mode=True) for _ in range(2)), nn.Conv2d(1, 1, 3, padding=1))
    x = torch.randn(1, 1, side, side + 2, generator=torch.Generator().manual_seed(side))
    dilated, _ = apply_surgery(net, ("dilate=1",), x)
    before, after = net(x), dilated(x)
    assert torch.allclose(after[..., ::4, ::4], before, atol=1e-6)


@torch.no_grad()
def test_positions_of_the_map_are_put_at_the_centres_of_their_fields():
    x = torch.rand(1, 3, 64, 96, dtype=torch.float64)
    for name, steps, start in (
        ("tiny-darknet", ((), 16), 7),
        ("tiny-darknet", (("dilate=4",), 4), 7),
        ("resnet18", ((), 32), 0),
    ):
        surgery, step = steps
        model = build(name, (64, 96))
        model = apply_surgery(model, surgery, x)[0] if surgery else model
        found = dense_part(aligned(model, x))
        assert found is not None and found.grid == (Grid(step, start), Grid(step, start))  # type: ignore[arg-type]
        upsampled, scores = model(x), found.scores(x)
        ends = [range(start, side, step) for side in (64, 96)]
        taken = upsampled[..., list(ends[0]), :][..., list(ends[1])]
        assert (taken - scores[..., : len(ends[0]), : len(ends[1])]).abs().max() < 1e-12


@pytest.mark.parametrize("start", [-3, 0, 2, 40])
def test_placing_is_linear_between_positions_and_constant_beyond(start: int):
    scores = torch.arange(6, dtype=torch.float64).view(1, 1, 1, 6).expand(1, 1, 4, 6).contiguous()
    found = placed(scores, torch.zeros(1, 3, 9, 30), (Grid(3, 0), Grid(5, start)))
    expected = ((torch.arange(30, dtype=torch.float64) - start) / 5).clamp(0, 5)
    assert found.shape == (1, 1, 9, 30)
    assert (found[0, 0] - expected).abs().max() < 1e-12


@torch.no_grad()
def test_a_context_module_starts_as_the_identity_and_aspp_replaces_the_head():
    x = torch.rand(2, 3, 32, 48, dtype=torch.float64)
    plain = build("resnet18", (32, 48))
    changed, _ = apply_surgery(plain, ("context",), x[:1])
    assert (changed(x).softmax(1) - plain(x).softmax(1)).abs().max() < 1e-12
    with pytest.raises(InputError, match="has a context module already"):
        apply_surgery(changed, ("context",), x[:1])
    pyramid, notes = apply_surgery(plain, ("aspp=1-2",), x[:1])
    assert pyramid(x).shape == (2, 3, 32, 48) and "rates 1, 2" in notes[0]
    classifier = named_model("resnet18", ImageData(x[:0], torch.empty(0).long(), x[:0], torch.empty(0).long(), CLASSES, ""))
    for name in ("context", "aspp"):
        with pytest.raises(InputError, match=f"{name} fits classifiers that are turned dense"):
            apply_surgery(classifier.build(), (name,), x[:1].float())
    with pytest.raises(UsageError, match="'0' is not a list of rates"):
        apply_surgery(plain, ("aspp=0",), x[:1])


class Shared(nn.Module):
    """One ReLU for all layers, and pooling by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.relu, self.last = nn.ReLU(), nn.Linear(5, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.relu(self.second(self.relu(self.first(x)))).mean((2, 3)))


class Maps(nn.Module):
    """A map of logits at half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Conv2d(3, 3, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.only(x)


@torch.no_grad()
def test_own_networks_are_cut_at_the_right_call_or_upsampled():
    x = torch.rand(1, 3, 8, 10)
    model = Shared()
    expected = model.relu(model.second(model.relu(model.first(x))))
    dense = dense_network(model, x, 3, "own")
    assert isinstance(dense, DenseNetwork) and torch.equal(dense.features(x), expected)
    assert isinstance(model.last, nn.Identity)
    assert dense_network(Maps(), x, 3, "own")(x).shape == (1, 3, 8, 10)
    with pytest.raises(InputError, match="own: has no convolution, and so no map"):
        dense_network(nn.Sequential(nn.Flatten(), nn.Linear(240, 3)), x, 3, "own")


@torch.no_grad()
@pytest.mark.parametrize("name", ["unet", "lraspp_mobilenet_v3_large"])
def test_networks_made_for_masks_take_pictures_of_any_size(name: str):
    model = build_model(name, 3, (37, 50), CLASSES, target="mask").eval()
    for size in ((37, 50), (40, 31)):
        assert model(torch.rand(1, 3, *size)).shape == (1, 3, *size)
    classes = ImageData(*[torch.empty(0, 3, 32, 32), torch.empty(0).long()] * 2, CLASSES, "")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        named_model(name, classes)


@pytest.mark.parametrize("normalise", ["none", "imagenet"])
def test_weights_of_a_classifier_fill_the_body_and_the_head_is_new(tmp_path: Path, normalise: str):
    shape = ImageData(*[torch.empty(0, 3, 32, 32), torch.empty(0).long()] * 2, tuple("abcdefg"), "")  # type: ignore[arg-type]
    classifier = named_model("mobilenet_v3_small", shape).build()
    torch.save(classifier.state_dict(), tmp_path / "w.pth")
    arch = open_model("mobilenet_v3_small", template((32, 32)))
    arch = warm_started(arch, tmp_path / "w.pth", len(CLASSES), normalise)
    model = normalised_architecture(arch, normalise, 3).build()
    found = dense_part(model)
    assert found is not None and found.removed == ("classifier.0", "classifier.3")
    own, theirs = found.body.state_dict(), classifier.state_dict()
    assert own and all(torch.equal(value, theirs[name]) for name, value in own.items())
    assert found.head.out_channels == 3
    assert isinstance(model, Normalised) == (normalise == "imagenet")


def test_a_normalised_classifier_is_normalised_before_the_cut_too():
    with torch.no_grad():
        x = torch.rand(1, 3, 32, 32, dtype=torch.float64)
        nothing, labels = x[:0].float(), torch.empty(0).long()
        plain = named_model("mobilenet_v3_small", ImageData(nothing, labels, nothing, labels, CLASSES, ""))
        model = dense_network(normalised(plain.build(), "0.5/0.25", 3), torch.zeros(1, 3, 32, 32), 3, "net")
        assert isinstance(model, Normalised) and isinstance(model.inner, DenseNetwork)
        model = model.double().eval()
        assert torch.allclose(model(x), model.inner((x - 0.5) / 0.25))
