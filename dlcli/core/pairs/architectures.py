"""Networks over pairs of texts.

`forward(a, b, features)` takes the rows of the first and of the second texts, (pairs, width) each, and lexical features,
(pairs, k). `loss(output, y)` compares its output (pairs,) with labels of 0 and 1, and `decision_function(output)` gives scores
that increase with the probability of a duplicate.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RESIDUALS = ("none", "before", "after")


class PairNet(nn.Module):
    """A network over pairs whose output is log-odds."""

    def loss(self, output: Tensor, y: Tensor) -> Tensor:
        """Binary cross-entropy, averaged over the pairs."""
        return F.binary_cross_entropy_with_logits(output, y)

    def decision_function(self, output: Tensor) -> Tensor:
        """The log-odds themselves."""
        return output


class SiameseNet(PairNet):
    """A Siamese network: both texts go through the same dense layers, and the output is the distance between the results.

    Trained with the contrastive loss (Hadsell, Chopra and LeCun 2006, eq. 4) with margin 1.

    Args:
        dimensions: Width of the vectors of the texts.
        layers: Number of dense layers, each with BatchNorm and ReLU.
        width: Width of each layer.
        residual: Adds the input of layers 2 and up to their output: `before` has BatchNorm before the ReLU, `after` has it
            after the ReLU, `none` adds nothing.
        dropout: Probability of dropping a unit.
        concatenate: Whether to concatenate the outputs of all layers, followed by one more BatchNorm.
        cosine: Whether the distance is 1 - cosine instead of Euclidean.
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
        """The distance (pairs,) between texts (pairs, dimensions); `features` are ignored."""
        # In one batch, so that BatchNorm has the same statistics for both texts and swapping them changes nothing.
        left, right = self.embed(torch.cat([a, b])).tensor_split(2)
        if self.cosine:
            return 1 - F.cosine_similarity(left, right)
        return F.pairwise_distance(left, right)

    def embed(self, x: Tensor) -> Tensor:
        """Embeddings of texts (n, dimensions): (n, width * layers) if concatenated, else (n, width)."""
        outputs = []
        for k, (dense, norm) in enumerate(zip(self.dense, self.norms, strict=True)):
            y = norm(F.relu(dense(x))) if self.residual == "after" else F.relu(norm(dense(x)))
            x = self.dropout(y + x if k and self.residual != "none" else y)
            outputs.append(x)
        embedding: Tensor = self.last(torch.cat(outputs, 1) if self.concatenate else outputs[-1])
        return embedding

    def loss(self, output: Tensor, y: Tensor) -> Tensor:
        """Contrastive loss: the squared distance of duplicates, and for other pairs the squared shortfall from the margin."""
        return (y * output**2 + (1 - y) * F.relu(self.MARGIN - output) ** 2).mean() / 2

    def decision_function(self, output: Tensor) -> Tensor:
        """The negative distance."""
        return -output


class PairHead(nn.Module):
    """A fully connected network on |a - b|, a * b and the features of a pair: symmetric in the two texts."""

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


class FullyConnectedNet(PairNet):
    """`PairHead` on vectors from an encoder."""

    def __init__(self, dimensions: int, features: int, *, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.head = PairHead(dimensions, features, widths=widths, dropout=dropout)

    def forward(self, a: Tensor, b: Tensor, features: Tensor) -> Tensor:
        """Log-odds (pairs,) of texts (pairs, dimensions)."""
        found: Tensor = self.head(a, b, features)
        return found


class WordsNet(PairNet):
    """`PairHead` on texts as weighted means of their words, with word vectors and word weights both learned.

    In training each word is dropped with probability `word_dropout` (Iyyer et al. 2015, "Deep unordered composition rivals
    syntactic methods for text classification", section 4.3).
    """

    def __init__(self, words: int, features: int, *, dimensions: int, word_dropout: float, dropout: float) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(words, dimensions) * 0.1)
        self.weights = nn.Parameter(torch.zeros(words, 1))
        self.word_dropout = word_dropout
        self.head = PairHead(dimensions, features, dropout=dropout)

    def forward(self, a: Tensor, b: Tensor, features: Tensor) -> Tensor:
        """Log-odds (pairs,) of texts as ids of words, (pairs, words), padded with 0."""
        found: Tensor = self.head(self.embed(a), self.embed(b), features)
        return found

    def embed(self, ids: Tensor) -> Tensor:
        """The weighted mean of the word vectors of each text, (n, dimensions)."""
        # Weights are learned as logarithms, so they stay positive; padding (id 0) has weight 0.
        weights = F.embedding(ids, self.weights).squeeze(2).exp() * (ids > 0)
        if self.training:
            weights = weights * (torch.rand_like(weights) >= self.word_dropout)
        sums = F.embedding_bag(ids, self.table, mode="sum", per_sample_weights=weights)
        return sums / weights.sum(1, keepdim=True).clamp_min(1e-6)


class RecurrentNet(PairNet):
    """`PairHead` on texts read by a bidirectional GRU and 1-D convolutions, with max pooling over the words."""

    KERNELS = (1, 3, 5)

    def __init__(self, table: Tensor, features: int, *, hidden: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.table = nn.Parameter(table)
        self.recurrent = nn.GRU(table.shape[1], hidden, batch_first=True, bidirectional=True)
        self.convolutions = nn.ModuleList(nn.Conv1d(2 * hidden, channels, size, padding="same") for size in self.KERNELS)
        self.dropout = nn.Dropout(dropout)
        self.head = PairHead(channels * len(self.KERNELS), features, dropout=dropout)

    def forward(self, a: Tensor, b: Tensor, features: Tensor) -> Tensor:
        """Log-odds (pairs,) of texts as ids of words, (pairs, words), padded with 0."""
        left, right = self.embed(torch.cat([a, b])).tensor_split(2)
        found: Tensor = self.head(left, right, features)
        return found

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings of texts as ids of words (n, words): (n, channels * kernels)."""
        # A text must get the same embedding in any batch. So the batch is cut to its longest text, the GRU stops at the end of
        # each text (packing: otherwise its backward direction would start in the padding), and positions past the end become
        # 0, which a maximum over ReLU outputs ignores.
        lengths = (ids > 0).sum(1).clamp_min(1)
        width = int(lengths.max())
        words = self.dropout(F.embedding(ids[:, :width], self.table))
        packed = nn.utils.rnn.pack_padded_sequence(words, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states = nn.utils.rnn.pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=width)[0]
        outside = torch.arange(width, device=ids.device) >= lengths[:, None]
        maps = [F.relu(conv(states.transpose(1, 2))).masked_fill(outside[:, None], 0) for conv in self.convolutions]
        return torch.cat([each.amax(2) for each in maps], 1)
