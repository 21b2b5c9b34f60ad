"""Ensembles through the engine: what is left behind and used again, how members differ, and figures beside counting."""

import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.workers import in_parallel
from dlcli.core.data import open_data
from dlcli.core.model_io.ensemble_dir import load_ensemble, member_folder
from dlcli.core.model_io.run_dir import load_model
from dlcli.engines import ensemble, eval, train
from dlcli.engines.ensemble import members as members_module
from dlcli.engines.ensemble.members import open_setup
from dlcli.engines.ensemble.rows import gain_curves
from dlcli.specs.ensemble import EnsembleConfig, EnsembleResult
from dlcli.specs.eval import EvalConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT

CPU = torch.device("cpu")


def config(**changes: object) -> EnsembleConfig:
    return EnsembleConfig(**{"members": 3, "epochs": 2, "device": "cpu", **changes})


def hashes(result: EnsembleResult) -> list[str]:
    return [one.weights_sha256 for one in result.members]


def accuracies(result: EnsembleResult, members: int) -> dict[str, float]:
    return {row.classifier: row.accuracy.value for row in result.rows if row.members == members}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ensembles") / "e"


@pytest.fixture(scope="module")
def result(folder: Path) -> EnsembleResult:
    return ensemble.run(config(members=6, output=folder))


@pytest.fixture(scope="module")
def logits(result: EnsembleResult, folder: Path) -> Tensor:
    x = open_data("digits").x_test
    return torch.stack([predict_logits(one.model, x, device=CPU) for one in load_ensemble(folder, CPU).members])


def test_the_folder_holds_every_member_and_is_a_model(result: EnsembleResult, folder: Path):
    assert {path.name for path in folder.iterdir()} == {"members", "ensemble.json", "gain.png", "report.html"}
    saved = load_ensemble(folder, CPU)
    assert [one.sha256 for one in saved.members] == hashes(result) and saved.sha256 == result.model_sha256
    for rule in ("mean", "max", "vote"):
        judged = eval.run(EvalConfig(model=str(folder), ensemble=rule, device="cpu"))
        assert judged.metrics[0].estimate.value == accuracies(result, 6)[f"{rule} rule"]
        assert judged.model == f"6 x digits-net ({rule} rule)"


def test_gains_by_every_number_of_members_are_what_counting_gives(result: EnsembleResult, logits: Tensor):
    y = open_data("digits").y_test
    curves = gain_curves(logits, y, ["mean", "vote"])
    right = (logits.argmax(2) == y).double().mean(1)
    for k, gain in curves["mean"].items():
        together = (logits[:k].softmax(2).mean(0).argmax(1) == y).double().mean()
        assert gain.value == pytest.approx(float(together - right[:k].mean()))
    assert [list(found) for found in curves.values()] == [[1, 2, 3, 4, 5, 6]] * 2
    assert curves["mean"][1].value == curves["vote"][1].value == 0
    assert curves["mean"][6] == next(row.gain for row in result.rows if (row.members, row.classifier) == (6, "mean rule"))
    assert list(gain_curves(torch.rand(120, 3, 2), y[:3], ["max"])["max"])[-1] == 120


def test_every_figure_is_what_counting_gives(result: EnsembleResult, logits: Tensor):
    y = open_data("digits").y_test.numpy()
    for members in range(1, 7):
        p = logits[:members].double().softmax(-1).numpy()
        each = (p.argmax(-1) == y).mean(1)
        surest = p.max(-1).argmax(0)
        expected = {
            "best member": each.max(),
            "mean of members": each.mean(),
            "mean rule": (p.mean(0).argmax(-1) == y).mean(),
            "max rule": (p[surest, np.arange(len(y))].argmax(-1) == y).mean(),
            "max-logit rule": (logits[:members].numpy().max(0).argmax(-1) == y).mean(),
            "oracle": (p.argmax(-1) == y).any(0).mean(),
        }
        found = accuracies(result, members)
        assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert {row.members for row in result.rows} == {1, 2, 3, 4, 5, 6} and [one.members for one in result.diversity] == [
        2,
        3,
        4,
        5,
        6,
    ]
    assert [one.accuracy.value for one in result.members] == pytest.approx(list((logits.argmax(-1).numpy() == y).mean(1)))


def test_the_negative_log_likelihood_is_that_of_the_rule(result: EnsembleResult, logits: Tensor):
    y = open_data("digits").y_test
    row = next(row for row in result.rows if (row.members, row.classifier) == (6, "mean rule"))
    p = logits.double().softmax(-1).mean(0)[torch.arange(len(y)), y]
    assert row.nll is not None and row.nll.value == pytest.approx(float(-p.log().mean()), rel=1e-6)
    assert row.gain is not None
    assert row.gain.value == pytest.approx(row.accuracy.value - accuracies(result, 6)["mean of members"])
    assert result.headline == row


def test_no_rule_beats_the_oracle_and_one_member_is_every_rule(result: EnsembleResult):
    assert all(value <= accuracies(result, 6)["oracle"] for value in accuracies(result, 6).values())
    assert len(set(accuracies(result, 1).values())) == 1


@pytest.mark.usefixtures("forked_workers")
def test_members_differ_and_do_not_depend_on_how_many_there_are_or_on_workers(result: EnsembleResult):
    few = ensemble.run(config(workers=2))
    assert hashes(few) == hashes(result)[:3] and len(set(hashes(result))) == 6


def test_another_seed_gives_other_members(result: EnsembleResult):
    assert not set(hashes(ensemble.run(config(members=2, seed=1)))) & set(hashes(result))


def draws(**changes: object) -> Sequence[Tensor]:
    setup = open_setup(config(**changes), SILENT)
    return [found for number in range(3) if (found := setup.image_indices(setup.job(number))) is not None]


def test_each_member_has_a_draw_of_its_own():
    n = 1198
    assert draws() == []
    chunks, boots = draws(chunk=0.1), draws(bootstrap=1.0)
    assert [len(one) for one in chunks] == [120] * 3 and [len(one) for one in boots] == [n] * 3
    assert all(len(one.unique()) == 120 for one in chunks)
    # Of n draws from n with replacement a share of 1 - 1/e is met at least once, to within a few standard deviations.
    assert all(abs(len(one.unique()) / n - (1 - np.exp(-1))) < 0.04 for one in boots)
    assert not torch.equal(chunks[0], chunks[1]) and not torch.equal(boots[0], boots[1])


def test_a_member_is_trained_on_its_draw():
    setup = open_setup(config(chunk=0.05), SILENT)
    job = setup.with_own_images(setup.job(1))
    assert torch.equal(job.data.x_train, setup.data.x_train[setup.image_indices(job)])
    assert [one.n_train for one in ensemble.run(config(chunk=0.05, epochs=1)).members] == [60] * 3


def test_continued_it_keeps_the_members_it_has(tmp_path: Path, result: EnsembleResult):
    done = ensemble.run(config(members=2, output=tmp_path / "e"))
    more = ensemble.run(config(members=4, output=tmp_path / "e", resume=True))
    assert [one.reused for one in more.members] == [True, True, False, False]
    assert hashes(more)[:2] == hashes(done) and hashes(more) == hashes(result)[:4]
    assert more.rows == ensemble.run(config(members=4)).rows


def test_continued_with_other_options_it_is_refused(tmp_path: Path):
    ensemble.run(config(members=2, epochs=1, output=tmp_path / "e"))
    (tmp_path / "e" / "ensemble.json").unlink()
    for changes, said in (
        ({"epochs": 2}, "`epochs=1`, not 2"),
        ({"chunk": 0.5}, "no `chunk`, not 0.5"),
        ({"seed": 3}, "`seed=0`, not 3"),
        ({"snapshots": True}, "no `snapshots`, not with it"),
    ):
        with pytest.raises(UsageError, match=f"members/000 was started with {said}$"):
            ensemble.run(config(**{"members": 2, "epochs": 1, "output": tmp_path / "e", "resume": True, **changes}))


def test_a_snapshot_goes_on_from_the_last_one(tmp_path: Path):
    whole = ensemble.run(config(snapshots=True, output=tmp_path / "e"))
    (tmp_path / "e" / "ensemble.json").unlink()
    for number in (1, 2):
        for path in member_folder(tmp_path / "e", number).iterdir():
            path.unlink()
    again = ensemble.run(config(snapshots=True, output=tmp_path / "e", resume=True))
    assert hashes(again) == hashes(whole) and [one.reused for one in again.members] == [True, False, False]
    # Two epochs from fresh weights would leave the later ones no better than the first.
    first, *_, last = (one.accuracy.value for one in whole.members)
    assert last > first
    assert hashes(ensemble.run(config(members=2)))[1] != hashes(whole)[1]


def test_members_of_several_architectures_take_turns(tmp_path: Path):
    found = ensemble.run(config(model=("digits-net", "mlp"), epochs=1, output=tmp_path / "e"))
    assert [one.model for one in found.members] == ["digits-net", "mlp", "digits-net"]
    assert load_ensemble(tmp_path / "e", CPU).spec == "2 x digits-net + 1 x mlp"


def test_trained_networks_are_taken_in(tmp_path: Path, folder: Path, result: EnsembleResult):
    train.run(TrainConfig(epochs=1, device="cpu", surgery=("elu",), output=tmp_path / "run"))
    runs = (str(member_folder(folder, 2)), str(tmp_path / "run"))
    found = ensemble.run(config(members=0, add=runs, output=tmp_path / "e"))
    assert hashes(found) == [result.members[2].weights_sha256, load_model(tmp_path / "run", CPU).sha256]
    assert load_ensemble(tmp_path / "e", CPU).members[1].surgery == ("elu",)


def test_a_network_for_other_images_is_not_taken_in(tmp_path: Path, folder: Path, result: EnsembleResult):
    x, y = np.zeros((8, 1, 9, 9), dtype=np.float32), np.arange(8) % 2
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    options = {"members": 1, "model": ("mlp",), "data": str(tmp_path / "d.npz"), "output": tmp_path / "e"}
    for start in (ensemble.run, ensemble.plan):
        with pytest.raises(InputError, match=r"was trained on images of 1x8x8, and .*d.npz has 1x9x9"):
            start(config(**options, add=(str(member_folder(folder, 0)),)))
        with pytest.raises(InputError, match="nope: not a run directory"):
            start(config(**options, add=("nope",)))
    # No member was trained first.
    assert not (tmp_path / "e").exists() or not list((tmp_path / "e").rglob("*.safetensors"))


@pytest.mark.parametrize("options", [{}, {"chunk": 0.5}])
def test_stacked_members_are_as_good_as_those_of_processes(options: dict[str, object]):
    stacked = ensemble.run(config(strategy="stacked", epochs=6, **options))
    alone = ensemble.run(config(strategy="processes", epochs=6, **options))
    assert (stacked.strategy, alone.strategy) == ("stacked", "processes")
    gaps = [abs(a.accuracy.value - b.accuracy.value) for a, b in zip(stacked.members, alone.members, strict=True)]
    assert max(gaps) < 0.05 and stacked.members[0].n_train == alone.members[0].n_train


def test_a_bound_that_is_not_met_fails():
    assert ensemble.run(config(members=2, epochs=1, fail_under=("accuracy", 1.0))).failed.startswith(
        "accuracy of the mean rule"
    )
    assert not ensemble.run(config(members=2, epochs=1, fail_under=("accuracy", 0.01))).failed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"members": 1}, "at least 2"),
        ({"members": 0, "add": ("a",)}, "at least 2"),
        ({"bootstrap": 0.5, "chunk": 0.5}, "`bootstrap` and `chunk` cannot be combined"),
        ({"bootstrap": 0.0}, "`bootstrap`: 0 is not above 0"),
        ({"chunk": 1.5}, "above 1"),
        ({"snapshots": True, "model": ("mlp", "digits-net")}, "come from one network"),
        ({"snapshots": True, "strategy": "stacked"}, "cannot be stacked"),
        ({"strategy": "stacked", "model": ("mlp", "digits-net")}, "different architectures"),
        ({"strategy": "stacked", "adversarial": ("fgsm", 0.1, 1.0)}, "one network at a time"),
        ({"resume": True}, "`resume` needs the ensemble directory"),
        ({"rule": "median"}, "classes are not combined by median"),
        ({"fail_under": ("robust", 0.5)}, "not one of accuracy"),
    ],
)
def test_what_cannot_be_is_refused_before_training(changes: dict[str, object], said: str):
    with pytest.raises(UsageError, match=said):
        ensemble.run(config(**changes))


def test_a_finished_folder_is_not_written_over(folder: Path, result: EnsembleResult):
    with pytest.raises(UsageError, match="already holds an ensemble"):
        ensemble.run(config(output=folder))
    with pytest.raises(UsageError, match="holds a finished ensemble"):
        ensemble.run(config(output=folder, resume=True))


def test_a_plan_says_what_would_be_done(tmp_path: Path):
    lines = ensemble.plan(config(model=("digits-net", "mlp"), chunk=0.1, output=tmp_path / "e"))
    assert any("2 members: digits-net, 120 images, a random part" in line for line in lines), lines
    assert not (tmp_path / "e").exists()


def test_a_team_travels_without_its_images():
    setup = open_setup(config(), SILENT)
    packed = pickle.dumps(setup)
    assert len(packed) < 10_000 and pickle.loads(packed).facts(2) == setup.facts(2)  # noqa: S301 - our own


def on_gpus(gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch, device: str = "cuda") -> list[dict[str, object]]:
    """Give the run four GPUs, with the CPU in their place in its workers; how `in_parallel` was called."""
    gpus(*["H100"] * 4)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)  # there is no state of theirs to save
    monkeypatch.setattr(members_module, "choose_device", lambda _: torch.device(device))
    calls = []

    def spy(function: object, jobs: object, **options: object) -> object:
        calls.append(options)
        return in_parallel(function, jobs, **options)

    monkeypatch.setattr("dlcli.core.compute.executor.jobs.in_parallel", spy)
    return calls


@pytest.mark.usefixtures("forked_workers")
def test_on_several_gpus_there_is_a_process_on_each_and_the_members_are_the_same(
    result: EnsembleResult, gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    calls = on_gpus(gpus, monkeypatch)
    found = ensemble.run(config(workers=2))
    assert hashes(found) == hashes(result)[:3] and found.strategy == "processes"
    assert [one["gpus"] for one in calls] == [(torch.device("cuda", 0), torch.device("cuda", 1))]
    assert found.device == "cuda:0, cuda:1 H100"


@pytest.mark.parametrize(
    ("device", "changes", "expected"),
    [
        ("cuda", {}, "members are trained in 3 processes on cuda:0, cuda:1, cuda:2 H100, "),
        ("cuda", {"members": 9}, "members are trained in 4 processes on cuda:0, cuda:1, cuda:2, cuda:3 H100, "),
        ("cuda", {"workers": 2}, "members are trained in 2 processes on cuda:0, cuda:1 H100, "),
        ("cuda", {"workers": 1}, "members are trained stacked into one network on cuda:0 H100"),
        ("cuda", {"strategy": "stacked"}, "members are trained stacked into one network on cuda:0 H100"),
        ("cuda", {"snapshots": True}, "members are trained in 1 process, "),
        ("cuda:2", {}, "members are trained stacked into one network on cuda:2 H100"),
        ("cuda:2", {"strategy": "processes"}, "members are trained in 1 process, "),
    ],
)
def test_the_plan_names_the_gpus(gpus, monkeypatch: pytest.MonkeyPatch, device: str, changes: dict, expected: str):
    on_gpus(gpus, monkeypatch, device)
    assert ensemble.plan(config(**changes))[-1].startswith(expected)


def test_the_key_of_a_member_is_the_same_on_every_gpu_of_a_model(gpus, monkeypatch: pytest.MonkeyPatch):
    on_gpus(gpus, monkeypatch)
    keys = set()
    for device in ("cuda", "cuda:0", "cuda:3"):
        monkeypatch.setattr(members_module, "choose_device", lambda _, found=device: torch.device(found))
        keys.add(json.dumps(open_setup(config(), SILENT).facts(1)))
    assert len(keys) == 1 and keys != {json.dumps(replace(open_setup(config(), SILENT), device=CPU).facts(1))}
