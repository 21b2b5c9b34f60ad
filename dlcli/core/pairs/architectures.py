"""Networks over pairs of texts. `forward(a, b, features)` takes what stands for the texts, (pairs, ...) each, and features.

It gives the output (pairs,) that `loss(output, y)` compares with labels of 0 and 1, and that `odds(output)` turns so that it
grows with the probability of a duplicate.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RESIDUALS = ("none", "before", "after")


class PairNet(nn.Module):
    """A network whose output is log-odds."""

    def loss(self, output: Tensor, y: Tensor) -> Tensor:
        """The mean logistic loss."""
        return F.binary_cross_entropy_with_logits(output, y)

    def odds(self, output: Tensor) -> Tensor:
        """The output itself."""
        return output


class SiameseNet(PairNet):
    """Each text through the same dense layers; the output is the distance of the results, at least 0.

    `layers` dense layers of `width` with BatchNorm and ReLU. `residual` adds the input of layers 2 and on to their output:
    `before`, with BatchNorm before the ReLU; `after`, with BatchNorm after it; `none` adds nothing. With `concatenate` the
    outputs of all layers stand side by side and go through one more BatchNorm. `cosine` takes 1 - cosine for the distance.
    Contrastive loss (Hadsell, Chopra and LeCun 2006, eq. 4), margin 1.
    """

    MARGIN = 1.0

    def __init__(
        self, dimensions: int, *, layers: int, width: int, residual: str, dropout: float, concatenate: bool, cosine: bool
    ) -> None:
        super().__init__()
        sizes = [dimensions, *[width] * (layers - 1)]
        self.dense = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in sizes)
        self.last = nn.BatchNorm1d(width * layers) if concatenate else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.residual, self.concatenate, self.cosine = residual, concatenate, cosine

    def forward(self, a: Tensor, b: Tensor, features: Tensor) -> Tensor:
        """The distance (pairs,) of texts (pairs, dimensions); `features` are not looked at."""
        # Together, so that BatchNorm sees one batch and a pair and its mirror image are one.
        left, right = self.embed(torch.cat([a, b])).tensor_split(2)
        if self.cosine:
            return 1 - F.cosine_similarity(left, right)
        return F.pairwise_distance(left, right)

    def embed(self, x: Tensor) -> Tensor:
        """What texts (n, dimensions) are compared by, (n, width * layers) or (n, width)."""
        found = []
        for k, (dense, norm) in enumerate(zip(self.dense, self.norms, strict=True)):
            y = norm(F.relu(dense(x))) if self.residual == "after" else F.relu(norm(dense(x)))
            x = self.dropout(y + x if k and self.residual != "none" else y)
            found.append(x)
        together: Tensor = self.last(torch.cat(found, 1) if self.concatenate else found[-1])
        return together

    def loss(self, output: Tensor, y: Tensor) -> Tensor:
        """Squared distances of duplicates, and squared shortfalls from the margin of the others."""
        return (y * output**2 + (1 - y) * F.relu(self.MARGIN - output) ** 2).mean() / 2

    def odds(self, output: Tensor) -> Tensor:
        """The distance, turned round."""
        return -output


class Head(nn.Module):
    """A fully connected network on |a - b|, a * b and features of a pair, in whatever order the texts stand."""

    def __init__(self, dimensions: int, features: int, *, widths: Sequence[int] = (256, 128), dropout: float = 0.3) -> None:
        super().__init__()
        sizes = [2 * dimensions + features, *widths]
        layers: list[nn.Module] = [nn.BatchNorm1d(sizes[0])]
        for size, width in zip(sizes, widths, strict=False):
            layers += [nn.Linear(size, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    def forward(self, a: Tensor, b: Tensor, features: Tensor) -> Tensor:
        """Log-odds (pairs,)."""
        found: Tensor = self.layers(torch.cat([(a - b).abs(), a * b, features], 1))
        return found.squeeze(1)


class DenseNet(PairNet):
    """The head on vectors that are given."""

    def __init__(self, dimensions: int, features: int, *, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.head = Head(dimensions, features, widths=widths, dropout=dropout)

    def forward(self, a: Tensor, b: Tensor, features: Tensor) -> Tensor:
        """Log-odds (pairs,) of texts (pairs, dimensions)."""
        found: Tensor = self.head(a, b, features)
        return found


class WordsNet(PairNet):
    """A table of word vectors and word weights, both learned; a text is the weighted mean of its words, then the head.

    In training each word is left out with the probability `forget` (word dropout: Iyyer et al. 2015, "Deep unordered
    composition rivals syntactic methods for text classification", section 4.3).
    """

    def __init__(self, words: int, features: int, *, dimensions: int, forget: float, dropout: float) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(words, dimensions) * 0.1)
        self.weights = nn.Parameter(torch.zeros(words, 1))
        self.forget = forget
        self.head = Head(dimensions, features, dropout=dropout)

    def forward(self, a: Tensor, b: Tensor, features: Tensor) -> Tensor:
        """Log-odds (pairs,) of texts as numbers of words (pairs, longest), 0 where there is none."""
        found: Tensor = self.head(self.embed(a), self.embed(b), features)
        return found

    def embed(self, ids: Tensor) -> Tensor:
        """The mean vector of each text, (n, dimensions)."""
        weights = F.embedding(ids, self.weights).squeeze(2).exp() * (ids > 0)
        if self.training:
            weights = weights * (torch.rand_like(weights) >= self.forget)
        sums = F.embedding_bag(ids, self.table, mode="sum", per_sample_weights=weights)
        return sums / weights.sum(1, keepdim=True).clamp_min(1e-6)


class RecurrentNet(PairNet):
    """Words through a table, a bidirectional GRU and 1-D convolutions, the largest over the text; then the head."""

    KERNELS = (1, 3, 5)

    def __init__(self, table: Tensor, features: int, *, hidden: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.table = nn.Parameter(table)
        self.recurrent = nn.GRU(table.shape[1], hidden, batch_first=True, bidirectional=True)
        self.convolutions = nn.ModuleList(nn.Conv1d(2 * hidden, channels, size, padding="same") for size in self.KERNELS)
        self.dropout = nn.Dropout(dropout)
        self.head = Head(channels * len(self.KERNELS), features, dropout=dropout)

    def forward(self, a: Tensor, b: Tensor, features: Tensor) -> Tensor:
        """Log-odds (pairs,) of texts as numbers of words (pairs, longest), 0 where there is none."""
        left, right = self.embed(torch.cat([a, b])).tensor_split(2)
        found: Tensor = self.head(left, right, features)
        return found

    def embed(self, ids: Tensor) -> Tensor:
        """What stands for each text, (n, channels * kernels)."""
        # Whatever the batch, a text must give the same: each is read to its own end and no further.
        lengths = (ids > 0).sum(1).clamp_min(1)
        width = int(lengths.max())
        words = self.dropout(F.embedding(ids[:, :width], self.table))
        packed = nn.utils.rnn.pack_padded_sequence(words, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states = nn.utils.rnn.pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=width)[0]
        outside = torch.arange(width, device=ids.device) >= lengths[:, None]
        maps = [F.relu(one(states.transpose(1, 2))).masked_fill(outside[:, None], 0) for one in self.convolutions]
        return torch.cat([one.amax(2) for one in maps], 1)
