"""Write the predictions of a network as a table that any program, and `dlcli eval`, can read."""

import io
from pathlib import Path

import numpy as np
import torch

from dlcli.core.data.base import FILE, Split
from dlcli.core.evaluation.metrics import Floats
from dlcli.core.evaluation.prediction_columns import prediction_columns
from dlcli.core.evaluation.predictions import Predictions
from dlcli.engines.model_and_data import LoadedModel
from dlcli.specs.predictions import PREDICTIONS
from dlcli.support.atomic import write_text
from dlcli.support.tables import write_csv

MOST_PROBABILITIES = 20_000_000
"""With more of them only those of labels are written: the table would have hundreds of megabytes."""


def write_predictions(folder: Path, predictions: Predictions, loaded: LoadedModel, split: Split) -> None:
    """Write predictions.csv to a folder.

    Args:
        folder: The folder.
        predictions: The predictions.
        loaded: The network; of an ensemble, entropy and disagreement of its members are written too.
        split: The examples.
    """
    metadata = {name: column for name, column in split.metadata.items() if name != FILE}
    files = list(split.metadata[FILE]) if FILE in split.metadata else None
    table = prediction_columns(predictions, files, metadata, _spread(loaded, split), MOST_PROBABILITIES)
    stream = io.StringIO()
    write_csv(table, stream)
    write_text(folder / PREDICTIONS, stream.getvalue())


def _spread(loaded: LoadedModel, split: Split) -> dict[str, Floats]:
    """Of an ensemble, how unsure its mean is and how much its members differ; nothing for a single network.

    The entropy is that of the mean of the members' probabilities, in nats. The disagreement is that less the mean of their
    entropies: the mutual information between label and member (Houlsby et al. 2011, arXiv 1112.5745), 0 where all agree.
    """
    members = loaded.trained.members
    if len(members) < 2:
        return {}
    total, inner = torch.zeros(()), torch.zeros(())
    for member in members:
        log_p = loaded.logits_of(member, split.x).double().log_softmax(-1)
        total, inner = total + log_p.exp() / len(members), inner + _entropy(log_p.exp()) / len(members)
    entropy = _entropy(total)
    return {"entropy": entropy.numpy(), "disagreement": np.maximum((entropy - inner).numpy(), 0.0)}


def _entropy(p: torch.Tensor) -> torch.Tensor:
    return -torch.xlogy(p, p).sum(-1)
