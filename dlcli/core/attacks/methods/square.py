"""Square Attack: random search with square-shaped changes (Andriushchenko et al. 2020, arXiv 1912.00049)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import RowGenerators, ThreatModel
from dlcli.core.attacks.batch import ActiveBatch
from dlcli.core.attacks.margin import margin
from dlcli.core.attacks.norms import like_images, unit
from dlcli.core.attacks.score_search import ScoreSearch
from dlcli.core.attacks.square_patches import as_planes, patches, place_squares, side_lengths, tiling
from dlcli.core.compute.device import send
from dlcli.support.errors import UsageError


@dataclass(frozen=True)
class Square(ScoreSearch):
    """Each step changes a random square of the image and keeps the change if the margin increased (algorithms 1 to 3).

    In linf it starts from vertical stripes and sets a square, channel by channel, to eps above or below the image. In l2 it
    starts from a tiling of patches and moves the l2 norm of the change from one square into another. The squares become
    smaller: `p`, the fraction of the image that the first covers, is halved after 10, 50, 200, 500, 1000, 2000, 4000, 6000
    and 8000 steps. As in the standard AutoAttack p is 0.8, and the schedule is not rescaled to the number of queries.

    It needs the logits of all classes, or numbers that rank images as they do. The last two axes of an image are its rows
    and columns; a vector is an image of one row.
    """

    norms = ("linf", "l2")

    block: ClassVar[int] = 32

    p: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.p <= 1:
            raise UsageError(
                f"`p` must be above 0 and at most 1, not {self.p}", hint="it is a fraction of the image; AutoAttack uses 0.8"
            )

    @override
    def score(self, logits: Tensor, label: Tensor, target_class: Tensor | None) -> Tensor:
        """The margin, above 0 where the image is adversarial."""
        return margin(logits, label, target_class)

    @override
    def num_draws(self, clean: Tensor) -> int:
        """Two corners, whether to transpose, and one sign per channel."""
        return 5 + as_planes(clean[None]).shape[1]

    @override
    def start(self, clean: Tensor, threat: ThreatModel, generators: RowGenerators) -> Tensor:
        """Vertical stripes, or a tiling of patches scaled to l2 norm eps."""
        n, channels, rows, columns = as_planes(clean).shape

        def change(generator: torch.Generator) -> Tensor:
            if threat.norm == "linf":
                return torch.randint(0, 2, (channels, 1, columns), generator=generator) * 2 - 1
            return unit(tiling(channels, rows, columns, generator)[None])[0]

        changes = send(torch.stack([change(generators(k)).to(clean.dtype) for k in range(n)]), clean.device)
        return clean + threat.eps * changes.expand(-1, -1, rows, -1).reshape(clean.shape)

    @override
    def memory(self, x: Tensor) -> Mapping[str, Tensor]:
        """A margin of minus infinity."""
        return {"margin": x.new_full((len(x),), -torch.inf)}

    @override
    def propose(self, batch: ActiveBatch, drawn: Tensor, threat: ThreatModel) -> Tensor:
        """The start itself, then one more square per step."""
        x, clean = as_planes(batch.x), as_planes(batch.clean)
        side = side_lengths(self.p, self.steps, x.shape[-2], x.shape[-1], threat.norm)[batch.step]
        changed = (_set_square if threat.norm == "linf" else _move_square)(x, clean, side, drawn, threat.eps)
        first = like_images(batch.step_there == 0, batch.x)
        return torch.where(first, batch.x, changed.reshape(batch.x.shape))[:, None]

    @override
    def update(self, batch: ActiveBatch, proposed: Tensor, score: Tensor) -> ActiveBatch:
        """Keep what increased the margin."""
        better = score[:, 0] > batch.memory["margin"]
        x = torch.where(like_images(better, batch.x), proposed[:, 0], batch.x)
        return replace(batch, x=x, memory={"margin": torch.where(better, score[:, 0], batch.memory["margin"])})


def _set_square(x: Tensor, clean: Tensor, side: Tensor, drawn: Tensor, eps: float) -> Tensor:
    """`x` (n, channels, rows, columns) with eps above or below `clean` in one square (algorithm 2), `side` (n,) on the CPU.

    The paper adds 2 * eps and projects into the ball, which ends at the same values.
    """
    square = place_squares(drawn[:, :2], send(side, x.device), x)
    return torch.where(square.inside, clean + eps * _signs(drawn), x)


def _move_square(x: Tensor, clean: Tensor, side: Tensor, drawn: Tensor, eps: float) -> Tensor:
    """`x` with the change of one square moved into another as a patch (algorithm 3)."""
    # In l2 a change anywhere must be paid for elsewhere: the second square is cleared, and what it had, with the old change
    # in the first square and what eps still leaves, is the norm of the new patch. So the change keeps the length eps.
    change, channels = x - clean, x.shape[1]
    side_there = send(side, x.device)
    here, other = place_squares(drawn[:, :2], side_there, x), place_squares(drawn[:, 2:4], side_there, x)
    patch = _signs(drawn) * patches(here, side, drawn[:, 4] < 0.5, x.dtype)
    unused = (eps**2 - change.square().sum((1, 2, 3), keepdim=True)).clamp_min(0) / channels
    available = (_energy(change * (here.inside | other.inside)) + unused).sqrt()
    old = change * here.inside
    new = patch + old / _energy(old).sqrt().clamp_min(torch.finfo(x.dtype).tiny)
    length = _energy(new).sqrt()
    # The patch alone where old and new cancel, which they do in squares of one value.
    new = torch.where(length > 1e-6, new / length.clamp_min(1e-6), patch)
    return clean + torch.where(here.inside, available * new, change * ~other.inside)


def _energy(change: Tensor) -> Tensor:
    """The sum of squares of each channel, (n, channels, 1, 1)."""
    return change.square().sum((2, 3), keepdim=True)


def _signs(drawn: Tensor) -> Tensor:
    """One sign per channel, (n, channels, 1, 1)."""
    return torch.where(drawn[:, 5:] < 0.5, -1.0, 1.0)[:, :, None, None].to(drawn.dtype)


ATTACK = Square()
