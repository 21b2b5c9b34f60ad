"""Features of single frames by a network for images, averaged over time, and a perceptron on them: video without motion.

The features are those of the network without its last layer, and stay as they are; the perceptron alone is trained. As the
order of the frames is lost, this is the baseline that tells what motion adds.
"""

import hashlib
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.graph.last_hidden import last_layer
from dlcli.core.models import FRAME_MLP as NAME
from dlcli.core.models.base import Architecture
from dlcli.core.surgery.base import replace_modules
from dlcli.core.training.recipe import Recipe
from dlcli.support.errors import InputError

RECIPE = Recipe(epochs=30, batch_size=32, optimizer="adam", lr=1e-3, schedule="cosine", dtype="float32", threads=1)

_WIDTH = 512


class FrameMlp(nn.Module):
    """`backbone`, a network for images that gives `features` numbers, on each frame; their mean over time goes to `mlp`.

    `head` is the path of the layer that the backbone has lost. The backbone is never trained, and always in evaluation mode.
    """

    def __init__(self, backbone: nn.Module, head: str, features: int, classes: int) -> None:
        super().__init__()
        self.backbone, self.head = backbone.requires_grad_(False), head
        self.mlp: nn.Module = nn.Sequential(
            nn.Flatten(), nn.Linear(features, _WIDTH), nn.ReLU(), nn.Dropout(0.5), nn.Linear(_WIDTH, classes)
        )

    def train(self, mode: bool = True) -> "FrameMlp":
        """As always, but for the backbone."""
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Clips (n, c, t, h, w), or images as clips of one frame; logits (n, classes)."""
        clips = x if x.dim() == 5 else x.unsqueeze(2)
        features: Tensor = self.backbone(clips.transpose(1, 2).flatten(0, 1))
        found: Tensor = self.mlp(_flat(features).unflatten(0, (len(clips), -1)).mean(1))
        return found


def frame_mlp_architecture(flat: Architecture, channels: int, size: tuple[int, int], classes: int) -> Architecture:
    """The architecture `frame-mlp:NAME` on an image network.

    Its `build` raises InputError if the last layer of the image network cannot be removed.

    Args:
        flat: The image network, whose last layer is removed.
        channels: Channels of the frames.
        size: Height and width of the frames in pixels.
        classes: Number of outputs.
    """
    digest = hashlib.sha256(f"{flat.source_sha256} {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}".encode())
    build = partial(_built, flat, (channels, *size), classes)
    # The user's own code may load weights itself.
    note = f"{flat.name} has random weights, so its features are random; load trained ones with `weights`"
    return Architecture(f"{NAME}:{flat.name}", build, RECIPE, digest.hexdigest(), () if ":" in flat.name else (note,))


@torch.no_grad()
def _built(flat: Architecture, shape: tuple[int, int, int], classes: int) -> FrameMlp:
    backbone, sample = flat.build().eval(), torch.zeros(1, *shape)
    head = last_layer(backbone, sample)
    if head is None:
        message = f"{NAME}:{flat.name}: {flat.name} has no last layer that can be removed"
        raise InputError(message, hint="choose a network that ends in a fully connected layer")
    layer = backbone.get_submodule(head)
    replace_modules(backbone, (type(layer),), lambda module: nn.Identity() if module is layer else module)
    return FrameMlp(backbone, head, _flat(backbone(sample)).shape[1], classes)


def _flat(features: Tensor) -> Tensor:
    """Averaged over the places of an image, if there are any left."""
    return features.mean((2, 3)) if features.dim() == 4 else features.flatten(1)
