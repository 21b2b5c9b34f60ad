"""The nearest point of a hyperplane within a box (Croce & Hein 2020, arXiv 1907.02044, section 2.2 and appendix A)."""

import torch
from torch import Tensor

from dlcli.core.attacks.base import Bounds
from dlcli.core.attacks.norms import like_images


def onto_hyperplane(x: Tensor, w: Tensor, gap: Tensor, bounds: Bounds, norm: str) -> Tensor:
    """For each image the shortest change d with <w, d> = gap and x + d within `bounds`; (n, ...).

    `x` (n, ...) are within the bounds, `w` (n, ...) the normals, `gap` (n,). If the box does not reach the hyperplane, x + d is
    a point of the box that comes nearest to it.

    The change has |d_i| = min(t s_i, room_i), with s_i = 1 in linf and |w_i| in l2, and room_i how far value i can go its way.
    What it gains, <w, d>, rises with t in straight pieces that meet where a value runs out of room.
    """
    way = (w.sign() * like_images(gap.sign(), w)).flatten(1)
    weight, values = w.abs().flatten(1), x.flatten(1)
    room = torch.where(way > 0, bounds[1] - values, values - bounds[0]) * (way != 0)
    speed = torch.where(weight > 0, 1.0, 0.0).to(weight) if norm == "linf" else weight
    full_at = torch.where(speed > 0, room / speed, 0)
    turn = _solve(full_at, weight * room, weight * speed, gap.abs())
    return (way * torch.minimum(turn[:, None] * speed, room)).reshape(x.shape)


def _solve(full_at: Tensor, most: Tensor, pace: Tensor, gap: Tensor) -> Tensor:
    """The least t at which the sum of min(t pace_i, most_i) is `gap` (n,), or the greatest of `full_at` if it never is.

    Value i, of n x d, gains `pace` a unit of t until t is `full_at`, where it has gained `most`.
    """
    ends, order = full_at.sort(dim=1)
    gained, paces = most.gather(1, order).cumsum(1), pace.gather(1, order)
    # Summed from the far end: differences of a running sum would lose the small paces that are left last.
    from_here = paces.flip(1).cumsum(1).flip(1)
    after = torch.cat([from_here[:, 1:], torch.zeros_like(from_here[:, :1])], dim=1)
    piece = ((gained + ends * after) < gap[:, None]).sum(1, keepdim=True)
    last = ends.shape[1] - 1
    before = torch.where(piece > 0, gained.gather(1, (piece - 1).clamp_min(0)), 0)
    left = from_here.gather(1, piece.clamp_max(last))
    within = torch.where(left > 0, (gap[:, None] - before) / left, 0)
    return torch.where(piece > last, ends[:, -1:], within)[:, 0]
