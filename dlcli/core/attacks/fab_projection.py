"""The nearest point of a hyperplane within a box (Croce & Hein 2020, arXiv 1907.02044, section 2.2 and appendix A)."""

import torch
from torch import Tensor

from dlcli.core.attacks.base import Bounds
from dlcli.core.attacks.norms import like_images


def onto_hyperplane(x: Tensor, w: Tensor, gap: Tensor, bounds: Bounds, norm: str) -> Tensor:
    """For each image the shortest change d with <w, d> = gap that keeps x + d within the bounds.

    Args:
        x: Points (n, ...) within the bounds.
        w: Normals (n, ...) of the hyperplanes.
        gap: What <w, d> must be, (n,).
        bounds: The lowest and highest value.
        norm: The norm of d that is minimised, linf or l2.

    Returns:
        The changes (n, ...). Where the box does not reach the hyperplane, x + d is a point of the box nearest to it.
    """
    # The optimum has |d_i| = min(t s_i, room_i) for one number t: all values move at the speeds s_i, 1 in linf and |w_i| in
    # l2, and each stops at its bound. <w, d> therefore grows with t along straight pieces that meet where a value stops. So
    # no iteration is needed: sort the stops, find the piece that reaches the gap, and solve a linear equation on it.
    direction = (w.sign() * like_images(gap.sign(), w)).flatten(1)
    weight, values = w.abs().flatten(1), x.flatten(1)
    room = torch.where(direction > 0, bounds[1] - values, values - bounds[0]) * (direction != 0)
    speed = torch.where(weight > 0, 1.0, 0.0).to(weight) if norm == "linf" else weight
    stops_at = torch.where(speed > 0, room / speed, 0)
    t = _solve(stops_at, weight * room, weight * speed, gap.abs())
    return (direction * torch.minimum(t[:, None] * speed, room)).reshape(x.shape)


def _solve(stops_at: Tensor, most: Tensor, slope: Tensor, gap: Tensor) -> Tensor:
    """The smallest t at which the sum of min(t slope_i, most_i) is `gap` (n,), or the greatest of `stops_at` if it never is.

    Value i, of n x d, contributes `slope` per unit of t until t is `stops_at`, where its contribution is `most`.
    """
    ends, order = stops_at.sort(dim=1)
    reached, slopes = most.gather(1, order).cumsum(1), slope.gather(1, order)
    # Summed from the far end: differences of a running sum would cancel the small slopes that remain last.
    from_here = slopes.flip(1).cumsum(1).flip(1)
    after = torch.cat([from_here[:, 1:], torch.zeros_like(from_here[:, :1])], dim=1)
    piece = ((reached + ends * after) < gap[:, None]).sum(1, keepdim=True)
    last = ends.shape[1] - 1
    before = torch.where(piece > 0, reached.gather(1, (piece - 1).clamp_min(0)), 0)
    left = from_here.gather(1, piece.clamp_max(last))
    within = torch.where(left > 0, (gap[:, None] - before) / left, 0)
    return torch.where(piece > last, ends[:, -1:], within)[:, 0]
