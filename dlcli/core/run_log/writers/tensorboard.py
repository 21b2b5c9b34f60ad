"""Event files for TensorBoard: a folder for each run below DIR, with scalars by epoch and the settings as hyperparameters."""

from pathlib import Path
from typing import Any

from dlcli.core.run_log.base import Group, Record, slug
from dlcli.support.errors import UsageError

PACKAGE, EXTRA, SEPARATE = "tensorboard", "tensorboard", False


def check(target: str) -> None:
    """Raise UsageError without a folder."""
    if not target:
        raise UsageError("needs a folder", hint="`log=tensorboard:DIR`")
    if Path(target).exists() and not Path(target).is_dir():
        raise UsageError(f"{target} is not a folder", hint="`log=tensorboard:DIR`")


def open_writer(target: str, group: Group) -> "TensorboardWriter":
    """Import what writes event files, and make the folder."""
    import torch.utils.tensorboard  # noqa: F401 - slow, and an error of it must come before training

    folder = Path(target) / group.label
    folder.mkdir(parents=True, exist_ok=True)
    return TensorboardWriter(folder, group)


class TensorboardWriter:
    """One SummaryWriter for each run that goes on."""

    def __init__(self, folder: Path, group: Group) -> None:
        self._folder, self._group = folder, group
        self._open: dict[str, Any] = {}

    def write(self, record: Record) -> None:
        """See `Writer`."""
        writer = self._open.get(record.run) or self._start(record.run)
        for name, value in record.figures.items():
            writer.add_scalar(name, value, record.epoch)
        writer.flush()
        if record.final:
            self._open.pop(record.run).close()

    def close(self, *, failed: bool) -> None:
        """See `Writer`."""
        for writer in self._open.values():
            writer.close()
        self._open = {}

    def _start(self, run: str) -> Any:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        # Of a resumed run all epochs are reported again: readers drop what earlier files have of steps from `purge_step` on.
        purge = {"purge_step": 0} if self._group.resumed else {}
        writer = SummaryWriter(str(self._folder / slug(run)), **purge)
        # As `add_hparams` does, which would put them into a folder of its own.
        file: Any = writer.file_writer
        for part in hparams(dict(self._group.runs[run]), {}):
            file.add_summary(part)
        self._open[run] = writer
        return writer
