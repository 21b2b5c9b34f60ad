"""Runs on an MLflow tracking server, by its own client; `mlflow` without URI takes the one that MLFLOW_TRACKING_URI names."""

import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from dlcli.core.run_log.base import Group, Record
from dlcli.support.errors import UsageError

PACKAGE, EXTRA, SEPARATE = "mlflow", "mlflow", True
_EXPERIMENT = "dlcli"
_TAG = "dlcli.run"
_SETTINGS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""Unless the environment says otherwise. What fails is tried again by the log itself."""


def check(target: str) -> None:
    """Raise UsageError for a URI with a password, which would be stored in the record of the run."""
    if target and urlsplit(target).password:
        raise UsageError(
            "the URI holds a password, which the record of the run would repeat",
            hint="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead",
        )


def open_writer(target: str, group: Group) -> "MlflowWriter":
    """Import the client; it reaches the server with the first record."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowWriter(MlflowClient(target or None), group)


class MlflowWriter:
    """Each run is found again by a tag, so that a resumed one goes on, and each epoch is sent once."""

    def __init__(self, client: Any, group: Group) -> None:
        self._client, self._group = client, group
        self._experiment = ""
        self._ids: dict[str, str] = {}
        self._sent: dict[str, set[int]] = {}

    def write(self, record: Record) -> None:
        """See `Writer`."""
        run = self._ids.get(record.run) or self._start(record.run)
        if record.final or record.epoch not in self._sent[record.run]:
            self._client.log_batch(run, metrics=_metrics(record))
            self._sent[record.run].add(record.epoch)
        if record.final:
            self._client.set_terminated(run, "FINISHED")
            del self._ids[record.run]

    def close(self, *, failed: bool) -> None:
        """See `Writer`."""
        for run in self._ids.values():
            self._client.set_terminated(run, "FAILED" if failed else "KILLED")
        self._ids = {}

    def _start(self, run: str) -> str:
        self._experiment = self._experiment or self._find_experiment()
        settings, tag = self._group.runs[run], f"{self._group.id}/{run}"
        found = self._client.search_runs([self._experiment], f"tags.`{_TAG}` = '{tag}'", max_results=1)
        if found:
            number = found[0].info.run_id
            names = [name for name in self._group.figures if name in found[0].data.metrics]
            sent = self._client.get_metric_history(number, names[0]) if names else ()
            self._sent[run] = {metric.step for metric in sent}
            self._client.update_run(number, status="RUNNING")
        else:
            tags = {_TAG: tag, "dlcli.group": self._group.label}
            name = f"{self._group.name} {run}"
            number = self._client.create_run(self._experiment, run_name=name, tags=tags).info.run_id
            self._sent[run] = set()
            self._client.log_batch(number, params=_params(settings))
        self._ids[run] = number
        return str(number)

    def _find_experiment(self) -> str:
        given = os.environ.get("MLFLOW_EXPERIMENT_ID")
        if given:
            return given
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _EXPERIMENT)
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))


def _metrics(record: Record) -> list[Any]:
    from mlflow.entities import Metric

    now = int(1000 * time.time())
    return [Metric(name, float(value), now, record.epoch) for name, value in record.figures.items()]


def _params(settings: Mapping[str, str | float]) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, str(value)) for name, value in settings.items()]
