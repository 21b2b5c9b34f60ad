"""Pre-training without labels through the engine: labels change nothing of it, heads are dropped, and it resumes to the bit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dlcli.core.pretraining.base import ViewNetwork
from dlcli.engines import train
from dlcli.engines.train import job as job_module
from dlcli.engines.train import pretrain as pretraining
from dlcli.engines.train.probes import probe
from dlcli.support.errors import UsageError
from dlcli.support.reporter import SILENT
from tests.engines.train.test_pretrain import Stopping, config, opened
from tests.scored import integer_scores, table_folder

METHODS = ("simclr", "spatial-contrasting", "vicreg")


def of(method: str, **changes: object) -> dict[str, object]:
    """Options of a small run; the network of the digits takes no images smaller than these."""
    return {"pretrain": method, "limit": 60, **({"patch": 8} if method == "spatial-contrasting" else {}), **changes}


@pytest.mark.parametrize("method", METHODS)
def test_labels_are_not_read_and_the_head_is_dropped(method: str):
    job = opened(config(**of(method)))
    other = replace(job, data=replace(job.data, y_train=job.data.y_train.flip(0)))
    both = [pretraining.pretrain(one, SILENT, label="", keep=None) for one in (job, other)]
    first, second = (one.model for one in both if one is not None)
    start = job_module.build(job).model.state_dict()
    assert list(first.state_dict()) == list(start)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))
    assert any(not torch.equal(value, start[name]) for name, value in first.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
def test_a_stopped_run_resumes_to_the_bit(tmp_path: Path, method: str):
    settings = of(method, pretrain_epochs=3)
    whole = train.run(config(**settings))
    train.run(config(**settings, output=tmp_path / "run"), report=Stopping(1))
    again = train.run(config(**settings, output=tmp_path / "run", resume=True))
    assert again.rows[0].weights_sha256 == whole.rows[0].weights_sha256
    assert any(f"pretrain: {method}, " in note for note in again.notes)
    assert sum("frozen features" in note for note in again.notes) == 2
    assert again.notes == whole.notes


def test_what_does_not_apply_is_refused():
    for method in ("siamese", "simclr"):
        with pytest.raises(UsageError, match="`patch` needs `pretrain=spatial-contrasting`"):
            config(pretrain=method, patch=4)
    with pytest.raises(UsageError, match="`margin` needs `pretrain=siamese`"):
        config(pretrain="vicreg", margin=1.0)
    with pytest.raises(UsageError, match="`patch` needs `pretrain`"):
        config(pretrain="none", patch=4)
    with pytest.raises(UsageError, match="batches of 1 of 60 images leave one alone"):
        train.plan(config(**of("simclr", batch_size=1)))
    with pytest.raises(UsageError, match="9 is more than the side of the images"):
        train.plan(config(**of("spatial-contrasting", patch=9)))
    with pytest.raises(UsageError, match="takes no images of 2x2 pixels"):
        train.plan(config(**of("spatial-contrasting", patch=2)))


def test_a_variant_of_another_method_drops_what_does_not_apply():
    chosen = config(**of("spatial-contrasting"), versus="--pretrain vicreg", seeds=2, workers=1)
    result = train.run(chosen)
    assert len({row.weights_sha256 for row in result.rows}) == 4


def test_a_finished_run_gives_its_figures_again(tmp_path: Path):
    settings = of("simclr", output=tmp_path / "run")
    first = train.run(config(**settings))
    assert train.run(config(**settings, resume=True)).notes == first.notes


def test_probes_are_those_of_scikit_learn(tmp_path: Path):
    job = opened(config(**of("simclr")))
    found = probe(job, job_module.build(job).model)
    assert found is not None and found.before == found.after and found.n == len(job.data.y_test)
    net = pretraining.feature_network(job_module.build(job).model, job.data.x_test[:1]).eval()
    with torch.no_grad():
        train_features, test_features = net(job.data.x_train), net(job.data.x_test)
    nearest = torch.cdist(test_features, train_features).topk(5, largest=False).indices
    votes = torch.nn.functional.one_hot(job.data.y_train[nearest], 10).sum(1)
    assert found.before.neighbours == int((votes.argmax(1) == job.data.y_test).sum())
    assert found.before.linear > 30  # of 60, where chance gives 6


def test_scores_have_no_probes(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(60))
    result = train.run(config(data=str(folder), task="score", model="mlp", limit=None, pretrain="vicreg"))
    assert not any("frozen features" in note for note in result.notes)


def test_a_batch_that_does_not_fit_is_compared_whole(monkeypatch: pytest.MonkeyPatch):
    """Half of each batch fits: but for rounding the network is that of whole batches, and a note says so."""
    heard = []
    listening = Stopping(10**9)
    listening.note = heard.append
    job = opened(config(**of("simclr", batch_size=32)))
    whole = pretraining.pretrain(job, SILENT, label="", keep=None)
    forward = ViewNetwork.forward

    def small(self: ViewNetwork, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 16:
            raise torch.OutOfMemoryError("no memory")
        return forward(self, x)

    monkeypatch.setattr(ViewNetwork, "forward", small)
    parts = pretraining.pretrain(job, listening, label="", keep=None)
    assert whole is not None and parts is not None
    assert heard == ["out of memory on a batch of 32 images; steps are taken in 2 parts, and compare all of the batch"]
    for a, b in zip(whole.model.state_dict().values(), parts.model.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
