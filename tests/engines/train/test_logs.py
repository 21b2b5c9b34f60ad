"""`log`: what is written while networks are trained, once each, and what happens if it cannot be written."""

import csv
import json
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dlcli.core import run_log
from dlcli.core.run_log import retry, separate
from dlcli.core.training.loop import Training
from dlcli.engines import ensemble, train
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, MissingExtraError, NumericError, UsageError
from dlcli.support.reporter import SILENT
from tests.engines.train.tracking_server import Tracking

HYPERPARAMETERS = "_hparams_/session_start_info"


class Listener:
    """A reporter that keeps warnings, and asks to stop when training has asked `after` times whether to."""

    note, task, log = SILENT.note, SILENT.task, SILENT.log

    def __init__(self, after: float = float("inf")) -> None:
        self.warnings: list[str] = []
        self.warn, self.left = self.warnings.append, after

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], bool]]:
        def stop() -> bool:
            self.left -= 1
            return self.left <= 0

        yield stop


def config(**changes: object) -> TrainConfig:
    given = {"epochs": 4, "limit": 120, "device": "cpu", "precision": "float32", "workers": None, **changes}
    return TrainConfig(**given)


def rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run that is logged as csv."""
    folder = tmp_path_factory.mktemp("logs") / "run"
    train.run(config(output=folder, log=("csv",)))
    return folder


def digest(folder: Path) -> str:
    return json.loads((folder / "model.json").read_text())["weights_sha256"]


@pytest.mark.parametrize("schedule", ["cosine", "step:1:0.5", "onecycle", "plateau:1:0.5"])
def test_csv_has_the_history_the_result_and_the_rate_of_the_last_step(
    schedule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    used, epoch = [], Training.run_epoch

    def spied(self: Training, *arguments: object) -> float | None:
        mean = epoch(self, *arguments)
        used.append(self.optimizer.param_groups[0]["lr"])
        return mean

    monkeypatch.setattr(Training, "run_epoch", spied)
    # A rate at which the loss on the dev set does not fall, so that a plateau is seen.
    folder, changes = tmp_path / "run", {"lr": 1e-9} if schedule.startswith("plateau") else {}
    result = train.run(config(epochs=6, dev=0.2, schedule=schedule, output=folder, log=("csv",), **changes)).rows[0]
    found, history = rows(folder / "log.csv"), rows(folder / "history.csv")
    assert [{name: row[name] for name in history[0]} for row in found] == history
    assert [float(row["lr"]) for row in found] == pytest.approx(used, rel=1e-12)
    assert len(set(used)) > 2
    last = {name: float(found[-1][name]) for name in ("accuracy", "accuracy_low", "accuracy_high", "n")}
    assert list(last.values()) == [result.accuracy.value, result.accuracy.low, result.accuracy.high, result.accuracy.n]
    assert {(row["run"], row["seed"], row["accuracy"]) for row in found[:-1]} == {("seed 0", "0", "")}


@pytest.mark.parametrize("after", [1, 6])
def test_a_resumed_run_is_logged_once(after: int, whole: Path, tmp_path: Path):
    parts = config(output=tmp_path / "run", log=("csv",))
    assert train.run(parts, report=Listener(after)).rows == ()
    cut = tmp_path / "run" / "log.csv"
    cut.write_text(cut.read_text() + "seed 0,,0,3,0.00")  # as of a process that was killed while it wrote
    train.run(replace(parts, resume=True))
    assert cut.read_text() == (whole / "log.csv").read_text()


def test_a_comparison_logs_each_training_in_order(forked_workers: None, tmp_path: Path):
    log = (f"csv:{tmp_path / 'own.csv'}",)
    compared = config(epochs=2, lr=(0.01, 0.001), seeds=2, workers=2, output=tmp_path / "run", log=log)
    result = train.run(compared)
    found = rows(tmp_path / "own.csv")
    expected = [(row.variant, str(row.seed), str(epoch)) for row in result.rows for epoch in (1, 2)]
    assert [(row["arm"], row["seed"], row["epoch"]) for row in found] == expected
    assert [float(row["accuracy"]) for row in found[1::2]] == [row.accuracy.value for row in result.rows]
    with pytest.raises(UsageError, match=r"own\.csv exists"):
        train.run(replace(compared, output=tmp_path / "other"))


def test_an_ensemble_logs_its_members_once_and_itself(tmp_path: Path):
    changes = {"epochs": 2, "limit": 120, "device": "cpu", "output": tmp_path / "e", "log": ("csv",), "workers": 1}
    ensemble.run(EnsembleConfig(members=2, **changes))
    before = rows(tmp_path / "e" / "log.csv")
    result = ensemble.run(EnsembleConfig(members=3, resume=True, **changes))
    found = rows(tmp_path / "e" / "log.csv")
    assert found[:4] == before[:4]
    names = [(f"member {number}", str(epoch)) for number in (1, 2, 3) for epoch in (1, 2)]
    assert [(row["run"], row["epoch"]) for row in found] == [*names, ("ensemble", "2")]
    accuracies = [member.accuracy.value for member in result.members] + [result.headline.accuracy.value]
    assert [float(row["accuracy"]) for row in found if row["accuracy"]] == accuracies


def test_stacked_members_log_their_own_losses(tmp_path: Path):
    changes = {"epochs": 2, "limit": 120, "device": "cpu", "members": 2}
    for strategy in ("processes", "stacked"):
        ensemble.run(EnsembleConfig(strategy=strategy, output=tmp_path / strategy, log=("csv",), workers=1, **changes))
    one, other = (rows(tmp_path / strategy / "log.csv") for strategy in ("processes", "stacked"))
    losses = [[float(row["train_loss"]) for row in found if row["train_loss"]] for found in (one, other)]
    assert len(set(losses[1])) == 4
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


CLIENT = """
    import json, os, sys, time
    from pathlib import Path

    place, how = Path({place!r}), {how!r}
    tries = place / "tries"

    class Settings(dict):
        def __init__(self, **given):
            super().__init__(given)

    class Run:
        def __init__(self, **given):
            self.id, self.summary = given["id"], {{}}
            put("init", **given)

        def log(self, figures, step):
            if how == "dies" and step == 3:
                os._exit(1)
            put("log", id=self.id, step=step, **figures)

        def finish(self, exit_code=0):
            put("finish", id=self.id, exit_code=exit_code, **self.summary)

    def put(what, **values):
        with (place / "calls").open("a") as file:
            file.write(json.dumps([what, values], default=dict) + "\\n")

    def init(**given):
        number = len(tries.read_text()) if tries.exists() else 0
        tries.write_text("x" * (number + 1))
        print("a line that must not reach the terminal")
        if how == "hangs":
            time.sleep(60)
        if how == "no login" or (how == "later" and not number):
            raise RuntimeError("No API key configured")
        return Run(**given)
"""


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Callable[[], list]]:
    """Puts a small module called wandb in front of the path, which behaves as told; gives the calls that it got."""
    monkeypatch.setattr(separate, "IDLE_S", 3.0)
    monkeypatch.setattr(retry, "_RETRY_S", 0.0)

    def put(how: str) -> Callable[[], list]:
        (tmp_path / "site").mkdir(exist_ok=True)
        text = textwrap.dedent(CLIENT).format(place=str(tmp_path), how=how)
        (tmp_path / "site" / "wandb.py").write_text(text)
        calls = tmp_path / "calls"
        return lambda: [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []

    monkeypatch.syspath_prepend(tmp_path / "site")
    return put


def test_wandb_gets_settings_epochs_and_final_figures_and_a_resumed_run_its_id(client, whole: Path, tmp_path: Path):
    calls, changes = client("works"), {"output": tmp_path / "run", "log": ("wandb:cats",)}
    listeners = Listener(6), Listener()
    for resume, heard in zip((False, True), listeners, strict=True):
        train.run(config(**changes, resume=resume), report=heard)
        assert heard.warnings == []
    first, *_, stopped = before = calls()[: [what for what, _ in calls()].index("finish") + 1]
    again = calls()[len(before) :]
    assert first[1]["project"] == "cats" and first[1]["config"]["epochs"] == 4 and first[1]["config"]["seed"] == 0
    assert stopped[1]["exit_code"] == 1  # not finished
    assert again[0][1]["id"] == first[1]["id"] and again[0][1]["resume"] == "allow"
    found = [values for what, values in again if what == "log"]
    history = rows(whole / "history.csv")
    assert [values["step"] for values in found] == [1, 2, 3, 4]
    assert [{name: values[name] for name in history[0] if name != "epoch"} for values in found] == [
        {name: float(value) for name, value in row.items() if name != "epoch"} for row in history
    ]
    assert again[-1][1]["accuracy"] == float(rows(whole / "log.csv")[-1]["accuracy"])


@pytest.mark.parametrize(
    ("how", "missing", "why"),
    [("no login", 5, "No API key configured"), ("hangs", 5, "no answer"), ("dies", 3, "its process ended")],
)
def test_a_log_that_fails_changes_nothing_but_a_warning(
    how: str, missing: int, why: str, client, whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture
):
    client(how)
    heard = Listener()
    train.run(config(output=tmp_path / "run", log=("wandb",)), report=heard)
    assert digest(tmp_path / "run") == digest(whole)
    assert f"{missing} records could not be written" in heard.warnings[-1] and why in heard.warnings[-1]
    assert len(heard.warnings) <= 2
    assert capfd.readouterr() == ("", "")


def test_what_failed_at_first_is_written_later(client, tmp_path: Path):
    calls = client("later")
    heard = Listener()
    train.run(config(output=tmp_path / "run", log=("wandb",)), report=heard)
    assert [what for what, _ in calls()] == ["init", *["log"] * 4, "finish"]
    assert not any("could not be written" in text for text in heard.warnings)


def test_a_failed_training_ends_its_log(client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls = client("works")
    epoch = Training.run_epoch

    def diverges(self: Training, *arguments: object) -> float | None:
        if self.epoch == 2:
            raise NumericError("training diverged")
        return epoch(self, *arguments)

    monkeypatch.setattr(Training, "run_epoch", diverges)
    with pytest.raises(NumericError):
        train.run(config(output=tmp_path / "run", log=("wandb",)))
    assert [what for what, _ in calls()] == ["init", "log", "log", "finish"]
    assert calls()[-1][1]["exit_code"] == 1


def test_a_missing_package_is_refused_before_anything_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(run_log, "find_spec", lambda name: None)
    for act in (train.run, train.plan):
        with pytest.raises(MissingExtraError, match="needs the extra 'mlflow'") as caught:
            act(config(data=str(tmp_path / "nothing"), log=("mlflow",)))
        assert caught.value.hint.startswith("pip install ")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tensorbord:x", "did you mean tensorboard"),
        ("tensorboard", "needs a folder"),
        ("csv:log.txt", "does not end in .csv"),
        ("mlflow:http://me:secret@host", "holds a password"),
    ],
)
def test_logs_that_cannot_be_are_refused(spec: str, message: str):
    with pytest.raises(UsageError) as caught:
        train.plan(config(log=(spec,)))
    assert message in caught.value.message + caught.value.hint
    assert "secret" not in caught.value.message.replace(spec, "") + caught.value.hint


def test_a_log_of_other_figures_is_not_continued(whole: Path, tmp_path: Path):
    parts = config(output=tmp_path / "run", log=("csv",))
    train.run(parts, report=Listener(6))
    (tmp_path / "run" / "log.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not the log of this run"):
        train.run(replace(parts, resume=True))


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_tensorboard_reads_the_same_figures_once(whole: Path, tmp_path: Path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    parts = config(output=tmp_path / "run", log=(f"tensorboard:{tmp_path / 'tb'}",))
    train.run(parts, report=Listener(6))
    train.run(replace(parts, resume=True))
    assert digest(tmp_path / "run") == digest(whole)
    (folder,) = (tmp_path / "tb").glob("run-*/seed-0")
    found = scalars(folder)
    log = rows(whole / "log.csv")
    for name in ("lr", "train_loss", "train_accuracy", "test_accuracy", "test_loss"):
        assert [step for step, _ in found[name]] == [1, 2, 3, 4]
        assert [value for _, value in found[name]] == pytest.approx([float(row[name]) for row in log], rel=1e-6)
    assert found["accuracy"] == [(4, pytest.approx(float(log[-1]["accuracy"]), rel=1e-6))]
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    from tensorboard.plugins.hparams import plugin_data_pb2

    content = events.SummaryMetadata(HYPERPARAMETERS).plugin_data.content
    settings = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert settings["epochs"].number_value == 4 and settings["model"].string_value == "digits-net"


@pytest.fixture
def tracking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracking]:
    pytest.importorskip("mlflow", reason="install with: pip install mlflow-skinny")
    for name in ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    found = Tracking()
    yield found
    found.hangs = False
    found.server.shutdown()
    found.server.server_close()


def test_mlflow_gets_each_epoch_once_and_a_resumed_run_goes_on(tracking: Tracking, whole: Path, tmp_path: Path):
    parts = config(output=tmp_path / "run", log=(f"mlflow:{tracking.uri}",))
    heard, again = Listener(6), Listener()
    train.run(parts, report=heard)
    assert [run["info"]["status"] for run in tracking.runs.values()] == ["KILLED"]
    train.run(replace(parts, resume=True), report=again)
    assert heard.warnings == again.warnings == [] and list(tracking.experiments) == ["dlcli"]
    (run,) = tracking.runs.values()
    assert run["info"]["status"] == "FINISHED"
    assert [one["value"] for one in run["data"]["params"] if one["key"] in ("epochs", "seed")] == ["0", "4"]
    sent, log = tracking.metrics["run0"], rows(whole / "log.csv")
    for name in ("lr", "train_loss", "test_accuracy", "test_loss"):
        found = [(one["step"], one["value"]) for one in sent if one["key"] == name]
        assert found == [(int(row["epoch"]), float(row[name])) for row in log]
    assert [one["value"] for one in sent if one["key"] == "accuracy"] == [float(log[-1]["accuracy"])]


@pytest.mark.parametrize("how", ["hangs", "dies"])
def test_a_tracking_server_that_hangs_or_dies_half_way(
    how: str, tracking: Tracking, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(separate, "IDLE_S", 3.0)
    tracking.hangs, tracking.dies_after = how == "hangs", 6 if how == "dies" else float("inf")
    heard = Listener()
    train.run(config(output=tmp_path / "run", log=(f"mlflow:{tracking.uri}",)), report=heard)
    assert digest(tmp_path / "run") == digest(whole)
    assert "could not be written" in heard.warnings[-1]
    assert len(tracking.metrics["run0"]) == (0 if how == "hangs" else 5)
