"""Runs of Weights & Biases, by its own client: `wandb[:PROJECT]`; with WANDB_MODE=offline they stay in the output folder."""

import os
from typing import Any

from dlcli.core.run_log.base import Group, Record, slug

PACKAGE, EXTRA, SEPARATE = "wandb", "wandb", True
_PROJECT = "dlcli"


def check(target: str) -> None:
    """Any name of a project will do."""


def open_writer(target: str, group: Group) -> "WandbWriter":
    """Import the client; it logs in with the first record."""
    import wandb

    return WandbWriter(wandb, target or os.environ.get("WANDB_PROJECT", _PROJECT), group)


class WandbWriter:
    """A resumed run has the same id, and the server takes no step twice."""

    def __init__(self, client: Any, project: str, group: Group) -> None:
        self._client, self._project, self._group = client, project, group
        self._open: dict[str, Any] = {}

    def write(self, record: Record) -> None:
        """See `Writer`."""
        run = self._open.get(record.run) or self._start(record.run)
        if record.final:
            run.summary.update(dict(record.figures))
            self._open.pop(record.run).finish()
        else:
            run.log(dict(record.figures), step=record.epoch)

    def close(self, *, failed: bool) -> None:
        """See `Writer`."""
        for run in self._open.values():
            run.finish(exit_code=1)
        self._open = {}

    def _start(self, name: str) -> Any:
        folder = {"dir": str(self._group.folder)} if self._group.folder is not None and "WANDB_DIR" not in os.environ else {}
        run = self._client.init(
            project=self._project,
            group=self._group.label,
            name=f"{self._group.name} {name}",
            id=f"{self._group.id}-{slug(name)}",
            config=dict(self._group.runs[name]),
            resume="allow",
            reinit="create_new",
            settings=self._client.Settings(silent=True, console="off", save_code=False),
            **folder,
        )
        self._open[name] = run
        return run
