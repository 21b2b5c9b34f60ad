"""Pre-training through the engine: it changes the start alone, grows exactly, and resumes to the bit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from dlcli.engines import eval, train
from dlcli.engines.train import job as job_module
from dlcli.engines.train import pretrain as pretraining
from dlcli.engines.train.sides import _data
from dlcli.specs.eval import EvalConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError
from dlcli.support.reporter import SILENT
from tests.scored import integer_scores, table_folder

CPU = torch.device("cpu")


def config(**changes: object) -> TrainConfig:
    settings = {"data": "digits", "limit": 200, "epochs": 1, "device": "cpu", "precision": "float32", "pretrain": "siamese"}
    return TrainConfig(**{**settings, **changes})


def opened(chosen: TrainConfig) -> job_module.Job:
    return job_module.open_job(chosen, _data(chosen, SILENT), CPU, chosen.seed)


def test_the_body_is_trained_and_the_last_layer_keeps_its_start():
    job = opened(config(pretrain_epochs=2))
    before = job_module.build(job).model.state_dict()
    found = pretraining.pretrain(job, SILENT, label="", keep=None)
    assert found is not None
    after = found.model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    head = list(before)[-2:]
    assert changed and not changed & set(head)


def test_features_of_one_class_are_closer_after_it():
    job = opened(config(limit=600, pretrain_epochs=12, distance="l2", margin=5.0, lr=1e-3, optimizer="adam"))
    x, y = job.data.x_test[:100], job.data.y_test[:100]

    def ratio(net: torch.nn.Module) -> float:
        features = pretraining.feature_network(net, x[:1]).eval()
        with torch.no_grad():
            apart = torch.cdist(features(x), features(x))
        same = y[:, None] == y[None]
        return float(apart[same].mean() / apart[~same].mean())

    found = pretraining.pretrain(job, SILENT, label="", keep=None)
    assert found is not None
    assert ratio(found.model) < 0.8 * ratio(job_module.build(job).model)


@pytest.mark.parametrize("method", ["siamese", "vicreg"])
def test_frozen_parameters_stay_in_pretraining_too(method: str):
    job = opened(config(pretrain=method, data="digits", freeze=("0",), lr_for=("2=1e-4",)))
    before = job_module.build(job).model.state_dict()
    found = pretraining.pretrain(job, SILENT, label="", keep=None)
    assert found is not None
    after = found[0].state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and not {name for name in changed if name.startswith("0.")}


def test_without_it_nothing_is_as_it_was_with_it(tmp_path: Path):
    none = train.run(config(pretrain="none"))
    assert none.rows[0].weights_sha256 != train.run(config()).rows[0].weights_sha256
    assert train.run(config(distance="l2")).rows[0].weights_sha256 != train.run(config()).rows[0].weights_sha256
    assert none.rows[0].weights_sha256 == train.run(config(pretrain="none")).rows[0].weights_sha256


class Stopping:
    """A reporter that stops after a number of steps."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.task, self.note, self.warn, self.log = SILENT.task, SILENT.note, SILENT.warn, SILENT.log

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], bool]]:
        """Count the questions."""

        def stop() -> bool:
            self.left -= 1
            return self.left < 0

        yield stop


@pytest.mark.parametrize("after", [1, 5, 9, 14])
def test_a_stopped_run_resumes_to_the_bit(tmp_path: Path, after: int):
    whole = train.run(config(output=tmp_path / "whole", grow=("elu",)))
    chosen = config(output=tmp_path / "run", grow=("elu",))
    train.run(chosen, report=Stopping(after))
    again = train.run(config(output=tmp_path / "run", grow=("elu",), resume=True))
    assert again.rows[0].weights_sha256 == whole.rows[0].weights_sha256
    assert not list((tmp_path / "run").glob("*state*")) and not list((tmp_path / "run").glob("pretraining.safetensors"))


def test_a_run_that_grew_is_read_again(tmp_path: Path):
    result = train.run(config(output=tmp_path / "run", grow=("elu",)))
    assert result.surgery == ("elu",)
    assert any("pretrain: siamese, distance l1, margin 1, 1 epoch" in note for note in result.notes)
    again = eval.run(EvalConfig(model=str(tmp_path / "run"), data="digits", limit=None))
    assert again.model_sha256 == result.rows[0].weights_sha256


def test_both_sides_of_a_comparison_and_scores(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(60))
    settings = {"data": str(folder), "task": "score", "model": "mlp", "limit": None, "grow": ("elu",), "margin": 2.0}
    result = train.run(config(**settings, versus="--pretrain none --epochs 2", seeds=2, workers=1))
    assert {row.epochs for row in result.rows if row.variant == "this"} == {1}
    assert {row.epochs for row in result.rows if row.variant != "this"} == {2}


def test_what_needs_it_is_refused_without_it():
    for name, value in {"pretrain_epochs": 2, "distance": "l2", "margin": 2.0, "grow": ("elu",)}.items():
        with pytest.raises(UsageError, match=f"`{name}` needs `pretrain`"):
            TrainConfig(**{name: value})
    with pytest.raises(UsageError, match="`margin`: 0 is not above 0"):
        config(margin=0.0)
    for size, limit in ((1, 20), (2, 15)):
        with pytest.raises(UsageError, match="leave one alone"):
            train.run(config(batch_size=size, limit=limit))
    with pytest.raises(UsageError, match="takes images, not videos"):
        train.run(config(data="moving-digits", model="besnet18", limit=20))
