"""Pre-training without labels through the engine: labels change nothing of it, heads are dropped, and it resumes to the bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from dlcli.cli.commands.train import COMMAND
from dlcli.cli.layout import lines
from dlcli.core.evaluation.sphere import uniformity
from dlcli.core.pretraining.base import ViewNetwork
from dlcli.core.proportion import proportion
from dlcli.core.stats import paired_difference
from dlcli.engines import train
from dlcli.engines.train import job as job_module
from dlcli.engines.train import pretrain as pretraining
from dlcli.engines.train.pretrained_facts import PretrainedFacts
from dlcli.engines.train.probes import Measured, measure
from dlcli.engines.train.stopwatch import NONE_SPENT
from dlcli.specs.pretraining_result import PretrainingRow
from dlcli.specs.train_result import TrainResult
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT
from tests.engines.train.test_pretrain import Stopping, config, opened
from tests.scored import integer_scores, table_folder

METHODS = ("simclr", "spatial-contrasting", "vicreg")


def timeless(result: TrainResult) -> tuple[PretrainingRow, ...]:
    return tuple(replace(row, seconds=0, cpu_seconds=0) for row in result.pretraining)


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
    assert again.notes == whole.notes
    assert timeless(again) == timeless(whole)


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
    again = train.run(config(**settings, resume=True))
    assert again.notes == first.notes and again.pretraining == first.pretraining


def test_probes_are_those_of_scikit_learn(tmp_path: Path):
    """The nearest neighbours by brute force, the regression as well as its own score says."""
    job = opened(config(**of("simclr")))
    built = job_module.build(job).model
    found = measure(job, built, None)
    assert found is not None
    net = pretraining.feature_network(job_module.build(job).model, job.data.x_test[:1]).eval()
    with torch.no_grad():
        train_features, test_features = net(job.data.x_train), net(job.data.x_test)
    nearest = torch.cdist(test_features, train_features).topk(5, largest=False).indices
    votes = torch.nn.functional.one_hot(job.data.y_train[nearest], 10).sum(1)
    assert (found.neighbours == (votes.argmax(1) == job.data.y_test).numpy()).all()
    scaler = StandardScaler().fit(train_features)
    linear = LogisticRegression(max_iter=1000).fit(scaler.transform(train_features), job.data.y_train)
    score = linear.score(scaler.transform(test_features), job.data.y_test)
    assert found.linear.mean() == pytest.approx(score) and score > 0.5  # chance is 0.1
    assert found.uniformity == pytest.approx(uniformity(test_features.numpy()), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_result_has_figures_before_and_after(method: str):
    job, result = opened(config(**of(method))), train.run(config(**of(method)))
    (row,) = result.pretraining
    views = pretraining.method_of(job).views
    before, trained = job_module.build(job).model, pretraining.pretrain(job, SILENT, label="", keep=None)
    assert trained is not None
    sides = [measure(job, net, views) for net in (before, trained.model)]
    for found, shown in zip(sides, (row.before, row.after), strict=True):
        assert found is not None and shown is not None
        assert shown.linear == proportion(found.linear.sum(), 60) and shown.neighbours == proportion(found.neighbours.sum(), 60)
        assert (shown.alignment, shown.uniformity) == (found.alignment, found.uniformity)
    assert row.linear_gain == paired_difference(sides[1].linear, sides[0].linear)
    assert row.neighbours_gain == paired_difference(sides[1].neighbours, sides[0].neighbours)
    assert (row.n_images, row.n_unlabelled, row.epochs, row.variant) == (60, 0, 1, "this")
    assert row.steps == -(-60 // job.recipe.batch_size)
    # Two views of 8x8 pixels, of images of 8x8, or of other images half as high and wide.
    assert row.image_passes == pytest.approx(2 * 60 * (8 * 8) / (job.data.size[0] * job.data.size[1]))
    assert not any("frozen" in note for note in result.notes)


def test_a_comparison_has_the_means_over_seeds():
    result = train.run(config(**of("simclr"), versus="--pretrain none", seeds=3, workers=1))
    assert [row.seed for row in result.pretraining] == [0, 1, 2]
    gains = [row.after.linear.value - row.before.linear.value for row in result.pretraining]
    linear, nearest = result.probe_gains
    assert (linear.probe, nearest.probe, linear.variant) == ("linear probe", "5 neighbours", "this")
    assert linear.gain.value == pytest.approx(np.mean(gains)) and linear.gain.n == 3
    half = max(np.std(gains, ddof=1), 1 / 60 / 6**0.5) / 3**0.5 * stats.t.ppf(0.975, 2)
    assert linear.gain.high - linear.gain.low == pytest.approx(2 * half)
    assert linear.after - linear.before == pytest.approx(linear.gain.value)


def test_the_figures_stand_on_the_terminal_and_the_page(tmp_path: Path):
    chosen = config(**of("simclr"), output=tmp_path / "run")
    result = train.run(chosen)
    drawn = "\n".join(line.text for line in lines(COMMAND.table(result), 80, verbose=False, pictures=False))
    page = (tmp_path / "run" / "report.html").read_text()
    assert result.pretraining[0].after is not None
    shown = f"{100 * result.pretraining[0].after.linear.value:.1f}"
    for text in (drawn, page):
        assert "eatures before and after pre-training, 60 test images" in text
        assert "linear probe, %" in text and "uniformity" in text and shown in text
    assert "linear probe" in result._repr_html_()
    pair = train.run(config(**of("simclr"), versus="--pretrain none", seeds=2, workers=1, output=tmp_path / "pair"))
    named = COMMAND.named(pair, config(**of("simclr"), versus="--pretrain none", seeds=2))
    assert named.pretraining[0].variant == named.rows[0].variant != "this"
    drawn = "\n".join(line.text for line in lines(COMMAND.table(named), 80, verbose=False, pictures=False))
    for text in (drawn, (tmp_path / "pair" / "report.html").read_text()):
        assert "eatures before and after pre-training, means over 2 seeds" in text and "5 neighbours" in text


def test_figures_are_by_group():
    job, source = opened(config(**of("simclr"))), np.random.default_rng(0)
    right = [np.repeat(source.random(30) < share, 2) for share in (0.4, 0.7)]
    facts = PretrainedFacts(1.0, NONE_SPENT, *(Measured(one, one, None, None) for one in right))
    rows = []
    for groups in (np.arange(30).repeat(2), np.zeros(60, int)):
        data = replace(job.data, metadata={"test": {"person": groups}})
        rows.append(facts.row(replace(job, data=data, config=replace(job.config, group="person")), "this"))
    by_image, (pairs, one_group) = facts.row(job, "this"), rows
    expected = stats.ttest_1samp(right[1][::2].astype(float) - right[0][::2], 0).confidence_interval()
    assert pairs.linear_gain is not None  # of groups of one size the jackknife is the t-interval of their means
    assert (pairs.linear_gain.low, pairs.linear_gain.high) == pytest.approx(tuple(expected))
    assert pairs.after is not None and by_image.after is not None
    assert pairs.after.linear.high - pairs.after.linear.low > 1.3 * (by_image.after.linear.high - by_image.after.linear.low)
    assert one_group.linear_gain is not None and (one_group.linear_gain.low, one_group.linear_gain.high) == (-1, 1)


def test_scores_have_no_probes(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(60))
    result = train.run(config(data=str(folder), task="score", model="mlp", limit=None, pretrain="vicreg"))
    (row,) = result.pretraining
    assert row.before is row.after is row.linear_gain is None and row.loss > 0


def test_a_damaged_record_is_refused(tmp_path: Path):
    settings = of("simclr", output=tmp_path / "run")
    train.run(config(**settings))
    file = tmp_path / "run" / "pretraining.json"
    whole = file.read_text()
    for damaged in (whole[:40], whole.replace('"linear": "', '"linear": "2'), whole.replace('"linear": "0', '"linear": "')):
        file.write_text(damaged)
        with pytest.raises(InputError, match=r"pretraining\.json"):
            train.run(config(**settings, resume=True))


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
