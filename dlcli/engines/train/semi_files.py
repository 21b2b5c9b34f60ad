"""The files of a semi-supervised run beside its network: its pseudo-labels by epoch, and what its method trained."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from dlcli.core.model_io.checkpoint import load_state_into, load_weights, save_weights
from dlcli.engines.train.fitting import Fitted
from dlcli.engines.train.job import Job
from dlcli.engines.train.pseudo_labels import PseudoLabels, pseudo_schema
from dlcli.engines.train.semi_method import method_of
from dlcli.specs.arms import one
from dlcli.support.atomic import write_text
from dlcli.support.json_metadata import check_metadata, read_json_metadata
from dlcli.support.schema import list_of

PSEUDO_LABELS, DECODER = "pseudo_labels.json", "decoder.safetensors"


def save_semi(folder: Path, job: Job, fitted: Fitted) -> None:
    """Write them into a run directory; nothing for other runs."""
    if fitted.pseudo:
        write_text(folder / PSEUDO_LABELS, json.dumps({"epochs": [one._asdict() for one in fitted.pseudo]}) + "\n")
    if fitted.networks is not None:
        save_weights(folder / DECODER, fitted.networks, {"semi": str(one(job.config.semi))})


def read_semi(job: Job, folder: Path) -> dict[str, Any]:
    """What `save_semi` wrote, by the fields of `Fitted`; raises InputError for damaged files."""
    pseudo, decoder = folder / PSEUDO_LABELS, folder / DECODER
    method = method_of(job.config)
    found: dict[str, Any] = {}
    if method is None:
        return {}
    if pseudo.exists():
        written = read_json_metadata(pseudo)
        check_metadata(written, pseudo, {"epochs": list_of(pseudo_schema())})
        found["pseudo"] = tuple(PseudoLabels(**epoch) for epoch in written["epochs"])
    networks: nn.Module | None = method.networks(job.data.x_train.shape[1:], len(job.data.classes))
    if networks is not None:
        load_state_into(networks, load_weights(decoder), source=str(decoder), network=str(one(job.config.semi)))
        found["networks"] = networks.to(job.device).eval()
    return found
