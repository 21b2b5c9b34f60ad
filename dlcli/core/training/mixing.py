"""Mixup and CutMix: batches mixed with themselves, and labels that are shares of classes."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from dlcli.core.compute.loader import channels_last
from dlcli.core.training.torchvision_changes import seeded


@dataclass(frozen=True)
class Mixing:
    """Mix each image of a batch with the one before it, by torchvision's transforms; both draw lambda from Beta(alpha, alpha).

    `mixup` is the alpha of mixup (Zhang et al. 2018, arXiv 1710.09412), which adds images up, `cutmix` that of CutMix (Yun et
    al. 2019, arXiv 1905.04899), which pastes a rectangle; 0 is
    none, and with both a batch gets either with probability 1/2. `classes` is the
    number of classes. torchvision draws from torch's global generator, so it is seeded for each batch and put back.
    """

    mixup: float
    cutmix: float
    classes: int

    def __call__(self, x: Tensor, y: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Mix a batch.

        Args:
            x: Images (n, c, h, w) or clips (n, c, t, h, w), all frames of which are mixed alike.
            y: Labels (n,), whole numbers.
            seed: Of all that is drawn.

        Returns:
            The mixed images or clips, and shares (n, classes) of the classes, float32.
        """
        from torchvision.transforms import v2

        known = [(v2.MixUp, self.mixup), (v2.CutMix, self.cutmix)]
        chosen = [(transform, alpha) for transform, alpha in known if alpha]
        with seeded(seed):
            transform, alpha = chosen[int(torch.randint(len(chosen), ()))]
            frames = x if x.dim() == 4 else x.flatten(1, -3)
            mixed, shares = transform(alpha=float(alpha), num_classes=self.classes)(frames, one_hot(y, self.classes).float())
        return channels_last(mixed.reshape(x.shape)), shares
