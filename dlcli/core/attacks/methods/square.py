"""Square Attack: random search with square-shaped changes (Andriushchenko et al. 2020, arXiv 1912.00049)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from dlcli.core.attacks.base import Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.norms import like_images, unit
from dlcli.core.attacks.score_search import Searching
from dlcli.core.attacks.square_patches import bumps, fields_of, planes, sides, tiling
from dlcli.support.errors import UsageError


@dataclass(frozen=True)
class Square(Searching):
    """Each step changes a random square of the image and keeps the change if the margin rose (algorithms 1 to 3).

    In linf it begins with vertical stripes and sets a square, colour by colour, to eps above or below the image; in l2 it
    begins with a tiling of bumps and moves the strength of one square into another. The side of the square falls with the
    steps: `p`, its first share of the image, is halved after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 steps. As in
    the standard AutoAttack p is 0.8, and the schedule is not stretched to the number of queries.

    It needs the logits of all classes, or numbers that order images as they do. The last two axes of an image are its rows
    and columns; vectors are images of one row.
    """

    norms = ("linf", "l2")

    block: ClassVar[int] = 32

    p: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.p <= 1:
            raise UsageError(f"p is {self.p}", hint="give a share of the image, above 0 and at most 1; AutoAttack uses 0.8")

    def score(self, logits: Tensor, label: Tensor, aim: Tensor | None) -> Tensor:
        """The margin, above 0 when fooled: the greatest other logit minus that of the label, or with an aim the reverse."""
        one = label if aim is None else aim
        own = logits.gather(1, one[:, None])[:, 0]
        margin = logits.scatter(1, one[:, None], -torch.inf).amax(1) - own
        return margin if aim is None else -margin

    def width(self, clean: Tensor) -> int:
        """Two corners, a turn and one sign a colour."""
        return 5 + planes(clean[None]).shape[1]

    def start(self, clean: Tensor, threat: Threat, generator: torch.Generator) -> Tensor:
        """Stripes, or a tiling of bumps of length eps."""
        colours, rows, columns = planes(clean[None]).shape[1:]
        if threat.norm == "linf":
            change = (torch.randint(0, 2, (colours, 1, columns), generator=generator) * 2 - 1).expand(-1, rows, -1)
        else:
            change = unit(tiling(colours, rows, columns, generator)[None])[0]
        return clean + threat.eps * change.reshape(clean.shape).to(clean.dtype)

    def memory(self, x: Tensor) -> Mapping[str, Tensor]:
        """No margin yet."""
        return {"margin": x.new_full((len(x),), -torch.inf)}

    def propose(self, lanes: Lanes, drawn: Tensor, threat: Threat) -> Tensor:
        """The start itself, then one more square."""
        x, clean = planes(lanes.x), planes(lanes.clean)
        side = sides(self.p, self.steps, x.shape[-2], x.shape[-1], threat.norm).to(x.device)[lanes.step]
        changed = (_set_square if threat.norm == "linf" else _moved_square)(x, clean, side, drawn, threat.eps)
        first = like_images(lanes.step == 0, lanes.x)
        return torch.where(first, lanes.x, changed.reshape(lanes.x.shape))[:, None]

    def judge(self, lanes: Lanes, proposed: Tensor, score: Tensor) -> Lanes:
        """Keep what raised the margin."""
        better = score[:, 0] > lanes.memory["margin"]
        x = torch.where(like_images(better, lanes.x), proposed[:, 0], lanes.x)
        return replace(lanes, x=x, memory={"margin": torch.where(better, score[:, 0], lanes.memory["margin"])})


def _set_square(x: Tensor, clean: Tensor, side: Tensor, drawn: Tensor, eps: float) -> Tensor:
    """`x` (n, colours, rows, columns) with eps above or below `clean` in one square (algorithm 2).

    That is where a step of 2 * eps ends once it is projected.
    """
    field = fields_of(drawn[:, :2], side, x)
    return torch.where(field.inside, clean + eps * _signs(drawn), x)


def _moved_square(x: Tensor, clean: Tensor, side: Tensor, drawn: Tensor, eps: float) -> Tensor:
    """`x` with a bump added in one square, of the strength that this and another square had and eps has left (algorithm 3)."""
    change, colours = x - clean, x.shape[1]
    there, away = fields_of(drawn[:, :2], side, x), fields_of(drawn[:, 2:4], side, x)
    bump = _signs(drawn) * bumps(there, side, drawn[:, 4] < 0.5).to(x.dtype)
    spare = (eps**2 - change.square().sum((1, 2, 3), keepdim=True)).clamp_min(0) / colours
    strength = (_energy(change * (there.inside | away.inside)) + spare).sqrt()
    old = change * there.inside
    new = bump + old / _energy(old).sqrt().clamp_min(torch.finfo(x.dtype).tiny)
    length = _energy(new).sqrt()
    # The bump alone where old and new cancel, which they do in squares of one value.
    new = torch.where(length > 1e-6, new / length.clamp_min(1e-6), bump)
    return clean + torch.where(there.inside, strength * new, change * ~away.inside)


def _energy(change: Tensor) -> Tensor:
    """The sum of squares of each colour, (n, colours, 1, 1)."""
    return change.square().sum((2, 3), keepdim=True)


def _signs(drawn: Tensor) -> Tensor:
    """One sign a colour, (n, colours, 1, 1)."""
    return torch.where(drawn[:, 5:] < 0.5, -1.0, 1.0)[:, :, None, None].to(drawn.dtype)


ATTACK = Square()
