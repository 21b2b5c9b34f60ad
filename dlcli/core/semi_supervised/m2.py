"""The generative model M2 of Kingma et al. 2014 (arXiv 1406.5298): an image is made of its class and of a latent vector.

p(y) is uniform, p(z) a standard normal distribution, p(x|y,z) a Bernoulli distribution of each value of each pixel, q(z|x,y) a
normal one with independent components, and q(y|x) the classifier that is trained. Of an image and its class the bound of the
evidence is

    -L(x, y) = E_q(z|x,y) [log p(x|y,z)] + log p(y) - KL(q(z|x,y) || p(z)),

with one draw of z and the divergence in closed form. Of an image without a class it is the mean over q(y|x) of that, and its
entropy H: summed over all classes, or for a class drawn from it (Jang et al. 2017, arXiv 1611.01144, section 4.3). The loss is

    J = mean L(x, y) + mean U(x) - alpha mean log q(y|x),

over labelled, unlabelled and labelled images; log-likelihoods are sums over pixels. Images are binarised again in each step, a
pixel is 1 with its value as probability; the classifier sees them as they are.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcli.core.semi_supervised.base import SemiBatch, SemiLosses, SemiSettings, SemiSupervised
from dlcli.support.plural import count

HIDDEN, LATENT, ALPHA = 500, 50, 50.0
"""Width of the hidden layers, length of the latent vector, both as in section 4.4 of Kingma et al., and the default alpha."""


class M2Networks(nn.Module):
    """q(z|x,y) and p(x|y,z), each with one hidden layer.

    Attributes:
        values: Number of values of an image: pixels times channels.
        classes: Number of classes.
    """

    def __init__(self, values: int, classes: int, hidden: int = HIDDEN, latent: int = LATENT) -> None:
        super().__init__()
        self.values, self.classes, self.latent = values, classes, latent
        self.of_image, self.of_class = nn.Linear(values, hidden), nn.Linear(classes, hidden, bias=False)
        self.posterior = nn.Linear(hidden, 2 * latent)
        self.cause, self.pixels = nn.Linear(latent + classes, hidden), nn.Linear(hidden, values)

    def encode(self, seen: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of q(z|x,y).

        Args:
            seen: What `of_image` makes of binary images, (n, hidden).
            y: Shares of classes, (n, classes).

        Returns:
            Two tensors (n, latent).
        """
        mean, log_variance = self.posterior(F.relu(seen + self.of_class(y))).chunk(2, 1)
        return mean, log_variance

    def decode(self, y: Tensor, z: Tensor) -> Tensor:
        """The logits of pixels (n, values) of p(x|y,z), of shares of classes (n, classes) and latent vectors (n, latent)."""
        logits: Tensor = self.pixels(F.relu(self.cause(torch.cat([z, y], 1))))
        return logits

    def bound(self, x: Tensor, seen: Tensor, y: Tensor, noise: Tensor) -> Tensor:
        """-L(x, y) for each image, (n,).

        Args:
            x: Binary images, (n, values).
            seen: What `of_image` makes of them, (n, hidden).
            y: Shares of classes, (n, classes).
            noise: A draw from the standard normal distribution, (n, latent).
        """
        mean, log_variance = self.encode(seen, y)
        logits = self.decode(y, mean + (0.5 * log_variance).exp() * noise)
        likelihood = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return likelihood - math.log(self.classes) - divergence


@dataclass(frozen=True)
class M2(SemiSupervised):
    """What the ways to treat unknown classes share.

    Attributes:
        alpha: Weight of the classification loss.
    """

    alpha: float
    generates: ClassVar[bool] = True

    def networks(self, shape: torch.Size, classes: int) -> M2Networks:
        """See `SemiSupervised`."""
        return M2Networks(math.prod(shape), classes)

    def losses(self, batch: SemiBatch) -> SemiLosses:
        """See `SemiSupervised`."""
        networks = batch.networks
        if not isinstance(networks, M2Networks):
            raise TypeError("the networks are not those of M2")
        x = torch.bernoulli(batch.x.flatten(1))
        y = F.one_hot(batch.y, networks.classes).to(x.dtype)
        labelled = -networks.bound(x, networks.of_image(x), y, x.new_empty(len(x), networks.latent).normal_())
        u = batch.views[:, 0]
        bound = self.unlabelled_bound(networks, torch.bernoulli(u.flatten(1)), batch.net(u), batch.done)
        return SemiLosses(self.alpha * batch.supervised + labelled.mean(), -bound.mean())

    def unlabelled_bound(self, networks: M2Networks, x: Tensor, logits: Tensor, done: int) -> Tensor:
        """-U(x) for each image, (n,).

        Args:
            networks: Of the model.
            x: Binary images, (n, values).
            logits: Of q(y|x), (n, classes).
            done: Steps that are done.
        """
        log_q = logits.log_softmax(1)
        return self.expected_bound(networks, x, log_q, done) - (log_q.exp() * log_q).sum(1)

    @abstractmethod
    def expected_bound(self, networks: M2Networks, x: Tensor, log_q: Tensor, done: int) -> Tensor:
        """The mean of -L(x, y) over the classes, (n,), or an estimate of it.

        Args:
            networks: Of the model.
            x: Binary images, (n, values).
            log_q: Logarithms of q(y|x), (n, classes).
            done: Steps that are done.
        """

    @property
    def shown(self) -> str:
        """See `SemiSupervised`."""
        return f"M2 with {LATENT} latent variables and hidden layers of {HIDDEN}, alpha {self.alpha:g}"

    def notes(self, shape: torch.Size, steps: int) -> tuple[str, ...]:
        """See `SemiSupervised`."""
        values = math.prod(shape)
        return (
            f"alpha {self.alpha:g} is the weight of the mean cross-entropy beside log-likelihoods in nats, summed over "
            f"{values:,} values of an image: {self.alpha / values:.3g} beside their mean",
        )


@dataclass(frozen=True)
class SampledM2(M2):
    """M2 with unknown classes drawn from the Gumbel-softmax distribution.

    Attributes:
        temperature: Its floor, its rate of decay, and every how many steps it falls.
        hard: Whether the sample is one class, with the gradient of the shares (straight-through).
    """

    temperature: tuple[float, float, int]
    hard: ClassVar[bool] = False

    def temperature_at(self, done: int) -> float:
        """max(floor, exp(-rate t)) at the last update before or at step `done`, as in section 4 of Jang et al."""
        floor, rate, every = self.temperature
        return max(floor, math.exp(-rate * (done // every * every)))

    def expected_bound(self, networks: M2Networks, x: Tensor, log_q: Tensor, done: int) -> Tensor:
        """One draw of the class, see `M2`."""
        y = F.gumbel_softmax(log_q, self.temperature_at(done), hard=self.hard)
        return networks.bound(x, networks.of_image(x), y, x.new_empty(len(x), networks.latent).normal_())

    def notes(self, shape: torch.Size, steps: int) -> tuple[str, ...]:
        """See `SemiSupervised`."""
        last = self.temperature_at(max(0, steps - 1))
        return (
            *super().notes(shape, steps),
            f"temperature: from {self.temperature_at(0):g} to {last:.3g} in {count(steps, 'step')}",
        )


def alpha_of(settings: SemiSettings) -> float:
    """The weight of the classification loss."""
    return ALPHA if settings.alpha is None else settings.alpha
