"""The rounds of HopSkipJump for a batch of images (Chen et al. 2020, arXiv 1904.02144)."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem
from dlcli.core.attacks.batch import indices
from dlcli.core.attacks.decisions import query_logits
from dlcli.core.attacks.found import FoundImages
from dlcli.core.attacks.norms import like_images
from dlcli.core.compute.device import send
from dlcli.core.compute.precision import to_float64

_MAX_NOISE_DRAWS = 25
"""How many random images are tried as a starting point."""

_MAX_HALVINGS = 12
"""How often a step is halved at most until it ends in an adversarial image."""

_MAX_SEARCH_STEPS = 20
"""The most steps of the binary search for the boundary: float32 resolves no more."""

_MAX_SAMPLES = 10_000

_SAMPLES_AT_A_TIME = 128
"""How many samples are in memory at a time; not the batch size, which must not change the order of their sum."""


@dataclass(frozen=True)
class _Rows:
    """Images under attack, (B, ...) each: the clean ones, and the nearest adversarial ones so far.

    `index` (B,) is each image's place among all images and `queries_used` (B,) what it has cost, both on the CPU.
    `boundary_normal` (B, ...) is the last estimate of the normal that points to the adversarial side, 0 before the first.
    """

    index: Tensor
    queries_used: Tensor
    clean: Tensor
    nearest: Tensor
    boundary_normal: Tensor

    def rows(self, picked: Tensor) -> "_Rows":
        """The rows that `picked` selects, a mask (B,) on the CPU."""
        if bool(picked.all()):
            return self
        places = indices(picked)
        there = send(places, self.clean.device)
        return _Rows(
            self.index[places], self.queries_used[places], self.clean[there], self.nearest[there], self.boundary_normal[there]
        )


class HopSkipJumpRounds:
    """One attack on all images of a problem, from decisions alone.

    Args:
        problem: The images and the network.
        queries: How many queries an image may cost, besides one for the clean image.
        steps: How many rounds there are at most.
        samples: How many directions the first round samples; round t samples sqrt(t) times as many.
        first: Whether an image is done once its nearest success is within eps.
        full: Whether every image takes all rounds and then a step of length eps.
    """

    # One round: estimate the normal of the boundary at the current point, step along it to the adversarial side, and search
    # the segment to the clean image for the boundary. The point so moves along the boundary towards the clean image. The
    # decision is one bit per query, so everything must be read off whether an image is adversarial.

    def __init__(self, problem: Problem, *, queries: int, steps: int, samples: int, first: bool, full: bool) -> None:
        self.problem, self.steps, self.samples, self.first, self.full = problem, steps, samples, first, full
        self.norm = problem.threat.measure
        self.size = problem.x[0].numel()
        self.decision = query_logits(problem, problem.x).argmax(1).cpu()
        self.reference = problem.y.cpu() if problem.targets is None else problem.targets.cpu()
        self.already_adversarial = self._succeeds(self.decision, torch.arange(len(problem.x)))
        self.budget = max(0, queries - full)
        self.found = FoundImages(problem)

    def run(self) -> Tensor:
        """The nearest success of each image, the clean image where there is none."""
        if self.full:
            for part in torch.split(indices(self.already_adversarial), self.problem.batch_size):
                clean = self._clean_images(part)
                self._store(_Rows(part, torch.zeros_like(part), clean, clean, torch.zeros_like(clean)))
        else:
            self.problem.advance(int(self.already_adversarial.sum()))
        for part in torch.split(indices(~self.already_adversarial), self.problem.batch_size):
            self._rounds(self._with_starts(part))
        return self.found.images()

    def _rounds(self, rows: _Rows) -> None:
        """Find the boundary, then take rounds until the queries are used up."""
        rows = self._search_boundary(rows, rows.nearest, torch.ones(len(rows.index), dtype=torch.bool))
        for number in range(1, self.steps + 1):
            samples = min(int(self.samples * number**0.5), _MAX_SAMPLES)
            over = rows.queries_used + samples + _MAX_HALVINGS + self._search_steps() > self.budget
            if self.first and not self.full:
                over |= self._within_ball(rows)
            self._store(rows.rows(over))
            rows = rows.rows(~over)
            if not len(rows.index):
                return
            rows = self._step_along_normal(self._with_normals(rows, samples, number), number)
        self._store(rows)

    def _with_starts(self, part: Tensor) -> _Rows:
        """Rows for those of the images `part` (indices) that have an adversarial starting point; the others have failed."""
        clean = self._clean_images(part)
        rows = _Rows(part, torch.zeros_like(part), clean, clean, torch.zeros_like(clean))
        started = torch.zeros(len(part), dtype=torch.bool)
        if self.problem.targets is None:
            rows, started = self._with_noise(rows)
        nearest = rows.nearest.clone()
        for k in indices(~started).tolist():
            other = self._nearest_other_image(int(part[k]))
            if other is not None:
                nearest[k], started[k] = other, True
        rows = replace(rows, nearest=nearest)
        self._store(rows.rows(~started))
        return rows.rows(started)

    def _with_noise(self, rows: _Rows) -> tuple[_Rows, Tensor]:
        """The rows with a random adversarial image where one is found, and a mask of these rows."""
        low, high = self.problem.threat.bounds
        nearest, queries_used = rows.nearest.clone(), rows.queries_used.clone()
        started = torch.zeros(len(nearest), dtype=torch.bool)
        generators = [self.problem.generator("start", k, 0) for k in rows.index.tolist()]
        for _ in range(min(_MAX_NOISE_DRAWS, self.budget)):
            open_rows = indices(~started)
            if not len(open_rows):
                break
            sources = [generators[k] for k in open_rows.tolist()]
            drawn = torch.stack([torch.rand(nearest.shape[1:], generator=one, dtype=torch.float64) for one in sources])
            images = send((low + (high - low) * drawn).to(nearest.dtype).clamp(low, high), nearest.device)
            good = indices(self._query(images, rows.index[open_rows]).cpu())
            queries_used[open_rows] += 1
            started[open_rows[good]] = True
            nearest[send(open_rows[good], nearest.device)] = images[send(good, nearest.device)]
        return replace(rows, nearest=nearest, queries_used=queries_used), started

    def _nearest_other_image(self, k: int) -> Tensor | None:
        """Among the other clean images that would be adversarial for image k, the nearest to it."""
        good = indices(self._succeeds(self.decision, k))
        if not len(good):
            return None
        others = self.problem.x[send(good, self.problem.x.device)]
        return send(others[int(self.norm.length(others - self.problem.x[k]).argmin())], self.problem.device)

    def _search_boundary(self, rows: _Rows, far: Tensor, searched: Tensor) -> _Rows:
        """In the rows of the mask (B,), search between the clean image and `far` for the boundary; nearer points are kept."""
        low, high = torch.zeros(len(far), dtype=torch.float64), torch.ones(len(far), dtype=torch.float64)
        best, queries_used = far, rows.queries_used.clone()
        for _ in range(self._search_steps()):
            more = searched & (queries_used < self.budget)
            middle = (low + high) / 2
            images = self._interpolate(rows.clean, far, middle)
            good = more.clone()
            good[more] = self._query(_picked(images, more), rows.index[more]).cpu()
            queries_used[more] += 1
            high, low = torch.where(good, middle, high), torch.where(good, low, middle)
            best = torch.where(like_images(send(good, far.device), far), images, best)
        length, before = self._length(best, rows.clean), self._length(rows.nearest, rows.clean)
        nearer = searched & (length < before)
        nearest = torch.where(like_images(send(nearer, far.device), far), best, rows.nearest)
        return replace(rows, nearest=nearest, queries_used=queries_used)

    def _interpolate(self, clean: Tensor, far: Tensor, fraction: Tensor) -> Tensor:
        """The points at this fraction of the segment; in linf the projections into the ball of that part of the distance."""
        part, change = like_images(send(fraction.to(clean.dtype), clean.device), clean), far - clean
        if self.problem.threat.norm == "linf":
            most = part * like_images(self.norm.length(change), clean)
            moved = torch.minimum(torch.maximum(change, -most), most)
        else:
            moved = part * change
        return (clean + moved).clamp(*self.problem.threat.bounds)

    def _with_normals(self, rows: _Rows, samples: int, number: int) -> _Rows:
        """The rows with an estimate of the normal of the boundary (equations 9 and 16)."""
        low, high = self.problem.threat.bounds
        length = self._length(rows.nearest, rows.clean)
        delta = torch.full_like(length, 0.1 * (high - low)) if number == 1 else length / self.size
        # delta shrinks with the distance, so that the boundary looks flat between the samples; but not so far that float32
        # rounds the samples of a large image to one point.
        least = 8 * torch.finfo(rows.nearest.dtype).eps * (high - low) * self.size**0.5
        normals = [
            self._estimate_normal(rows.nearest[k], int(rows.index[k]), max(float(delta[k]), least), samples, number)
            for k in range(len(rows.index))
        ]
        return replace(rows, boundary_normal=torch.stack(normals), queries_used=rows.queries_used + samples)

    def _estimate_normal(self, nearest: Tensor, index: int, delta: float, samples: int, number: int) -> Tensor:
        """The mean of random directions about `nearest`, each weighted by its decision (1 or -1) minus the mean decision."""
        # Subtracting the mean is the baseline of a Monte Carlo estimate: where most samples fall on one side it removes most
        # of the variance. If all fall on one side, it would remove everything, so the plain sum is taken.
        source = self.problem.generator("samples", index, number)
        signed_sum, direction_sum = torch.zeros_like(nearest), torch.zeros_like(nearest)
        # In a type that counts exactly, and on the device: the host waits for none of these passes.
        vote_sum = nearest.new_zeros((), dtype=torch.promote_types(nearest.dtype, torch.float32))
        for begin in range(0, samples, _SAMPLES_AT_A_TIME):
            drawn = self._random_directions((min(_SAMPLES_AT_A_TIME, samples - begin), *nearest.shape), source)
            directions = send(drawn.to(nearest.dtype), nearest.device)
            images = (nearest + delta * directions).clamp(*self.problem.threat.bounds)
            directions = (images - nearest) / delta
            vote = self._query(images, index).to(nearest.dtype) * 2 - 1
            signed_sum += (like_images(vote, directions) * directions).sum(0)
            direction_sum += directions.sum(0)
            vote_sum += vote.sum()
        mean = vote_sum / samples
        return torch.where(mean.abs() == 1, signed_sum, signed_sum - direction_sum * mean)

    def _random_directions(self, shape: tuple[int, ...], source: torch.Generator) -> Tensor:
        """Random directions of l2 norm 1: uniform for l2, of uniform values for linf, as the authors draw them."""
        if self.problem.threat.norm == "linf":
            drawn = torch.rand(shape, generator=source) * 2 - 1
        else:
            drawn = torch.randn(shape, generator=source)
        return drawn / like_images(drawn.flatten(1).norm(dim=1), drawn)

    def _step_along_normal(self, rows: _Rows, number: int) -> _Rows:
        """A step of distance / sqrt(round), halved until it ends in an adversarial image, and from there to the boundary."""
        direction = self.norm.steepest(rows.boundary_normal)
        length = self._length(rows.nearest, rows.clean) / number**0.5
        far, queries_used = rows.nearest.clone(), rows.queries_used.clone()
        started = torch.zeros(len(far), dtype=torch.bool)
        for _ in range(_MAX_HALVINGS):
            open_rows = ~started
            if not bool(open_rows.any()):
                break
            step = like_images(send(length[open_rows].to(far.dtype), far.device), far)
            images = _picked(rows.nearest, open_rows) + step * _picked(direction, open_rows)
            images = images.clamp(*self.problem.threat.bounds)
            good = indices(self._query(images, rows.index[open_rows]).cpu())
            queries_used[open_rows] += 1
            succeeded = indices(open_rows)[good]
            far[send(succeeded, far.device)], started[succeeded] = images[send(good, far.device)], True
            length = length / 2
        return self._search_boundary(replace(rows, queries_used=queries_used), far, started)

    def _store(self, rows: _Rows) -> None:
        """Keep the images with which these rows end."""
        if not len(rows.index):
            return
        images = self._extended_to_eps(rows) if self.full else rows.nearest
        self.found.keep(rows.index, images)
        self.problem.advance(len(rows.index))

    def _extended_to_eps(self, rows: _Rows) -> Tensor:
        """A step of eps along the normal, a random one where no normal is known; the success where the step would lose it."""
        generators = [self.problem.generator("stretch", k) for k in rows.index.tolist()]
        drawn = torch.stack([torch.randn(rows.clean.shape[1:], generator=source) for source in generators])
        drawn = send(drawn.to(rows.clean.dtype), rows.clean.device)
        known = like_images(rows.boundary_normal.flatten(1).any(1), drawn)
        direction = self.norm.steepest(torch.where(known, rows.boundary_normal, drawn))
        threat = self.problem.threat
        far = threat.project(rows.clean + threat.eps * direction, rows.clean)
        moved = (rows.nearest != rows.clean).flatten(1).any(1).cpu()
        success = self._within_ball(rows) & (moved | self.already_adversarial[rows.index])
        lost = send(success, far.device) & ~self._query(far, rows.index)
        return torch.where(like_images(lost, far), rows.nearest, far)

    def _within_ball(self, rows: _Rows) -> Tensor:
        """Which images the projection leaves exactly as they are: a mask (B,) on the CPU."""
        return (self.problem.threat.project(rows.nearest, rows.clean) == rows.nearest).flatten(1).all(1).cpu()

    def _search_steps(self) -> int:
        """The steps of the binary search, so that the boundary is found to d^-1.5 of the distance, in linf to d^-2."""
        power = 2.0 if self.problem.threat.norm == "linf" else 1.5
        return min(max(1, math.ceil(power * math.log2(self.size))), _MAX_SEARCH_STEPS)

    def _length(self, images: Tensor, clean: Tensor) -> Tensor:
        return self.norm.length(to_float64(images - clean)).cpu()

    def _clean_images(self, part: Tensor) -> Tensor:
        return send(self.problem.x[send(part, self.problem.x.device)], self.problem.device)

    def _query(self, images: Tensor, index: Tensor | int) -> Tensor:
        """Whether each of the images (n, ...) is adversarial for the image of its index, (n,) on the CPU, or all for one."""
        if not len(images):
            return torch.zeros(0, dtype=torch.bool)
        return self._succeeds(query_logits(self.problem, images).argmax(1), index)

    def _succeeds(self, decision: Tensor, index: Tensor | int) -> Tensor:
        """Whether the decisions (n,) are successes for the images of these indices, in the place of the decisions."""
        reference = send(self.reference[index], decision.device)
        return decision != reference if self.problem.targets is None else decision == reference


def _picked(images: Tensor, mask: Tensor) -> Tensor:
    """The images that a mask (n,) on the CPU selects."""
    return images if bool(mask.all()) else images[send(indices(mask), images.device)]
