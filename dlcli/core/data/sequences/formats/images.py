"""Images read row by row, a step per pixel, as in sequential MNIST: any data that `--task images` takes."""

from dataclasses import replace

import numpy as np

from dlcli.core.compute.loader import to_float
from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData, Split
from dlcli.core.data.sequences.base import Found, SequenceOptions, Sequences

DESCRIPTION = "images (digits, mnist.npz, a folder), read row by row"
PRECEDENCE = 9


def claims(spec: str) -> bool:
    """Whether anything is left to try: what opens images refuses the rest."""
    return True


def read(spec: str, options: SequenceOptions) -> Found:
    """Read the images; the rows of each one after the other are the steps of a sequence."""
    data = open_data(
        spec,
        strict=options.strict,
        report=options.report,
        unlabelled=options.unlabelled,
        split=options.split,
        label_column=options.label_column,
        group=options.group,
        videos=False if options.unlabelled else None,
    )
    return Found({key: _sequences(data, split) for key, split in data.splits.items() if len(split.y)})


def _sequences(data: ImageData, split: Split) -> Sequences:
    rows = to_float(split.x).flatten(2).numpy().astype(np.float32)
    labels = [data.classes[k] for k in split.y.tolist()] if data.classes else None
    found = Sequences(list(rows), labels, split.metadata)
    files = split.metadata.get("file")
    return found if files is None else replace(found, where=lambda k: str(files[k]))
