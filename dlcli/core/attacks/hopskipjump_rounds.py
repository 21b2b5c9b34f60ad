"""The rounds of HopSkipJump, for a batch of images side by side (Chen et al. 2020, arXiv 1904.02144)."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem
from dlcli.core.attacks.norms import like_images
from dlcli.core.attacks.score_search import answers
from dlcli.core.compute.rng import derive, generator

if TYPE_CHECKING:
    from dlcli.core.attacks.methods.hopskipjump import HopSkipJump

_NOISES = 25
"""How many images of noise are tried for a start."""

_HALVINGS = 12
"""How often a jump is halved at most until it ends beyond the boundary."""

_FINEST = 20
"""The most halvings of a way to the boundary: float32 tells no finer."""

_MOST_SAMPLES = 10_000

_CHUNK = 128
"""How many samples are held at a time; not the size of batches, which must not change their sum."""


@dataclass(frozen=True)
class _Row:
    """Images in the middle of the attack, (B, ...) each: as they were, and the nearest success of each so far.

    `index` (B,) says which images these are, `spent` (B,) how often each was asked about, both on the CPU. `facing` is the
    last estimate of the way into the adversarial side, 0 before there is one.
    """

    index: Tensor
    spent: Tensor
    clean: Tensor
    near: Tensor
    facing: Tensor

    def rows(self, picked: Tensor) -> "_Row":
        """The images that `picked`, a mask (B,) on the CPU, picks."""
        there = picked.to(self.clean.device)
        return _Row(self.index[picked], self.spent[picked], self.clean[there], self.near[there], self.facing[there])


class Jumps:
    """One attack on all images of a problem."""

    def __init__(self, attack: "HopSkipJump", problem: Problem, *, full: bool) -> None:
        self.attack, self.problem, self.full = attack, problem, full
        self.norm = problem.threat.measure
        self.size = problem.x[0].numel()
        self.decision = answers(problem, problem.x).argmax(1).cpu()
        self.wanted = problem.y.cpu() if problem.targets is None else problem.targets.cpu()
        self.already = self._succeeds(self.decision, torch.arange(len(problem.x)))
        self.allowed = max(0, attack.queries - full)
        self.found = problem.x.clone()

    def run(self) -> Tensor:
        """The nearest success of each image, the clean image where there is none."""
        if self.full:
            for part in torch.split(self.already.nonzero()[:, 0], self.problem.batch_size):
                clean = self._clean(part)
                self._finish(_Row(part, torch.zeros_like(part), clean, clean, torch.zeros_like(clean)))
        else:
            self.problem.advance(int(self.already.sum()))
        for part in torch.split((~self.already).nonzero()[:, 0], self.problem.batch_size):
            self._rounds(self._started(part))
        return self.found

    def _rounds(self, rows: _Row) -> None:
        """To the boundary, and around until the queries end."""
        rows = self._to_boundary(rows, rows.near, torch.ones(len(rows.index), dtype=torch.bool))
        for number in range(1, self.attack.steps + 1):
            samples = min(int(self.attack.samples * number**0.5), _MOST_SAMPLES)
            over = rows.spent + samples + _HALVINGS + self._halvings() > self.allowed
            if self.attack.first and not self.full:
                over |= self._within(rows)
            self._finish(rows.rows(over))
            rows = rows.rows(~over)
            if not len(rows.index):
                return
            rows = self._jumped(self._faced(rows, samples, number), number)
        self._finish(rows)

    def _started(self, part: Tensor) -> _Row:
        """Rows for the images `part` (indices) that have a start; the attack on the others has failed."""
        clean = self._clean(part)
        rows = _Row(part, torch.zeros_like(part), clean, clean, torch.zeros_like(clean))
        has = torch.zeros(len(part), dtype=torch.bool)
        if self.problem.targets is None:
            rows, has = self._noise(rows)
        near = rows.near.clone()
        for k in (~has).nonzero()[:, 0].tolist():
            other = self._other(int(part[k]))
            if other is not None:
                near[k], has[k] = other, True
        rows = replace(rows, near=near)
        self._finish(rows.rows(~has))
        return rows.rows(has)

    def _noise(self, rows: _Row) -> tuple[_Row, Tensor]:
        """Noise for as many rows as it fools, and which these are."""
        low, high = self.problem.threat.bounds
        near, spent = rows.near.clone(), rows.spent.clone()
        has = torch.zeros(len(near), dtype=torch.bool)
        draws = [generator(derive(self.problem.seed, "start", k, 0)) for k in rows.index.tolist()]
        for _ in range(min(_NOISES, self.allowed)):
            open_ = (~has).nonzero()[:, 0]
            if not len(open_):
                break
            drawn = torch.stack([torch.rand(near.shape[1:], generator=draws[k], dtype=torch.float64) for k in open_.tolist()])
            images = (low + (high - low) * drawn).to(near).clamp(low, high)
            good = self._asked(images, rows.index[open_])
            spent[open_] += 1
            has[open_[good]] = True
            near[open_[good].to(near.device)] = images[good.to(near.device)]
        return replace(rows, near=near, spent=spent), has

    def _other(self, k: int) -> Tensor | None:
        """The nearest to image k of the images that are a success for it as they are."""
        good = self._succeeds(self.decision, torch.full_like(self.decision, k)).nonzero()[:, 0]
        if not len(good):
            return None
        others = self.problem.x[good.to(self.problem.x.device)]
        return others[int(self.norm.length(others - self.problem.x[k]).argmin())].to(self.problem.device)

    def _to_boundary(self, rows: _Row, far: Tensor, has: Tensor) -> _Row:
        """Search the way from the clean images to `far` for the nearest success, in the rows of `has` (B,); it is kept."""
        low, high = torch.zeros(len(far), dtype=torch.float64), torch.ones(len(far), dtype=torch.float64)
        best, spent = far, rows.spent.clone()
        for _ in range(self._halvings()):
            more = has & (spent < self.allowed)
            middle = (low + high) / 2
            images = self._between(rows.clean, far, middle)
            good = more.clone()
            good[more] = self._asked(images[more.to(far.device)], rows.index[more])
            spent[more] += 1
            high, low = torch.where(good, middle, high), torch.where(good, low, middle)
            best = torch.where(like_images(good.to(far.device), far), images, best)
        length, before = self._length(best, rows.clean), self._length(rows.near, rows.clean)
        nearer = has & (length < before)
        return replace(rows, near=torch.where(like_images(nearer.to(far.device), far), best, rows.near), spent=spent)

    def _between(self, clean: Tensor, far: Tensor, share: Tensor) -> Tensor:
        """The points at this share of the way, in linf the projections onto the ball of that share of the distance."""
        part, change = like_images(share.to(clean), clean), far - clean
        if self.problem.threat.norm == "linf":
            most = part * like_images(self.norm.length(change), clean)
            moved = torch.minimum(torch.maximum(change, -most), most)
        else:
            moved = part * change
        return (clean + moved).clamp(*self.problem.threat.bounds)

    def _faced(self, rows: _Row, samples: int, number: int) -> _Row:
        """Each row with an estimate of the way its boundary faces (equations 9 and 16)."""
        low, high = self.problem.threat.bounds
        length = self._length(rows.near, rows.clean)
        reach = torch.full_like(length, 0.1 * (high - low)) if number == 1 else length / self.size
        # So that float32 does not round the samples of a large image to one point.
        least = 8 * torch.finfo(rows.near.dtype).eps * (high - low) * self.size**0.5
        facing = [
            self._estimate(rows.near[k], int(rows.index[k]), max(float(reach[k]), least), samples, number)
            for k in range(len(rows.index))
        ]
        return replace(rows, facing=torch.stack(facing), spent=rows.spent + samples)

    def _estimate(self, near: Tensor, index: int, reach: float, samples: int, number: int) -> Tensor:
        """The mean of the ways in which `near` was changed, each counted by its decision less the mean decision."""
        source = generator(derive(self.problem.seed, "samples", index, number))
        weighted, plain, votes = torch.zeros_like(near), torch.zeros_like(near), 0.0
        for part in torch.split(torch.arange(samples), _CHUNK):
            ways = self._ways((len(part), *near.shape), source).to(near)
            images = (near + reach * ways).clamp(*self.problem.threat.bounds)
            ways = (images - near) / reach
            vote = self._asked(images, torch.full_like(part, index)).to(near) * 2 - 1
            weighted += (like_images(vote, ways) * ways).sum(0)
            plain += ways.sum(0)
            votes += float(vote.sum())
        mean = votes / samples
        return weighted if abs(mean) == 1 else weighted - mean * plain

    def _ways(self, shape: tuple[int, ...], source: torch.Generator) -> Tensor:
        """Random ways of Euclidean length 1: uniform ones in l2, of uniform values in linf, as the authors draw them."""
        if self.problem.threat.norm == "linf":
            drawn = torch.rand(shape, generator=source) * 2 - 1
        else:
            drawn = torch.randn(shape, generator=source)
        return drawn / like_images(drawn.flatten(1).norm(dim=1), drawn)

    def _jumped(self, rows: _Row, number: int) -> _Row:
        """A jump of length / sqrt(round), halved until it ends in a success, and from there to the boundary."""
        way = self.norm.steepest(rows.facing)
        jump = self._length(rows.near, rows.clean) / number**0.5
        far, spent = rows.near.clone(), rows.spent.clone()
        has = torch.zeros(len(far), dtype=torch.bool)
        for _ in range(_HALVINGS):
            open_ = ~has
            if not bool(open_.any()):
                break
            there = open_.to(far.device)
            images = rows.near[there] + like_images(jump[open_].to(far), far) * way[there]
            images = images.clamp(*self.problem.threat.bounds)
            good = self._asked(images, rows.index[open_])
            spent[open_] += 1
            landed = open_.nonzero()[:, 0][good]
            far[landed.to(far.device)], has[landed] = images[good.to(far.device)], True
            jump = jump / 2
        return self._to_boundary(replace(rows, spent=spent), far, has)

    def _finish(self, rows: _Row) -> None:
        """Write down how these rows end."""
        if not len(rows.index):
            return
        images = self._stretched(rows) if self.full else rows.near
        self.found[rows.index.to(self.found.device)] = images.to(self.found.device)
        self.problem.advance(len(rows.index))

    def _stretched(self, rows: _Row) -> Tensor:
        """A step of eps the way the boundary faces, a random way where that is not known, or the success that it would lose."""
        draws = [generator(derive(self.problem.seed, "stretch", k)) for k in rows.index.tolist()]
        drawn = torch.stack([torch.randn(rows.clean.shape[1:], generator=draw) for draw in draws]).to(rows.clean)
        known = like_images(rows.facing.flatten(1).any(1), drawn)
        way = self.norm.steepest(torch.where(known, rows.facing, drawn))
        threat = self.problem.threat
        far = threat.held(rows.clean + threat.eps * way, rows.clean)
        moved = (rows.near != rows.clean).flatten(1).any(1).cpu()
        success = self._within(rows) & (moved | self.already[rows.index])
        lost = success & ~self._asked(far, rows.index)
        return torch.where(like_images(lost.to(far.device), far), rows.near, far)

    def _within(self, rows: _Row) -> Tensor:
        """Which successes are within eps, to the bit: a mask on the CPU."""
        return (self.problem.threat.held(rows.near, rows.clean) == rows.near).flatten(1).all(1).cpu()

    def _halvings(self) -> int:
        """How often the way to the boundary is halved, so that it is known to a share of d^-1.5, in linf of d^-2."""
        power = 2.0 if self.problem.threat.norm == "linf" else 1.5
        return min(max(1, math.ceil(power * math.log2(self.size))), _FINEST)

    def _length(self, images: Tensor, clean: Tensor) -> Tensor:
        return self.norm.length((images - clean).double()).cpu()

    def _clean(self, part: Tensor) -> Tensor:
        return self.problem.x[part.to(self.problem.x.device)].to(self.problem.device)

    def _asked(self, images: Tensor, index: Tensor) -> Tensor:
        """Whether each of the images (n, ...) is a success for the image of that index (n,): a mask on the CPU."""
        if not len(images):
            return torch.zeros(0, dtype=torch.bool)
        return self._succeeds(answers(self.problem, images).argmax(1).cpu(), index)

    def _succeeds(self, decision: Tensor, index: Tensor) -> Tensor:
        wanted = self.wanted[index]
        return decision != wanted if self.problem.targets is None else decision == wanted
