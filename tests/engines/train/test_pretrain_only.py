"""Pre-training alone: a body from which a network is the one that a single command trains, and what does not apply to it."""

from pathlib import Path

import pytest
import torch

from dlcli.cli.commands.train import COMMAND
from dlcli.core.model_io.checkpoint import load_weights
from dlcli.engines import eval, train
from dlcli.engines.train import job as job_module
from dlcli.specs.eval import EvalConfig
from dlcli.support.errors import InputError, UsageError
from tests.engines.train.test_pretrain import Stopping, config, opened
from tests.scored import integer_scores, table_folder

LAST = {"10.weight", "10.bias"}


def of(**changes: object) -> dict[str, object]:
    return {"pretrain": "simclr", "limit": 60, "labels": 40, "pretrain_epochs": 2, **changes}


@pytest.mark.parametrize("method", ["simclr", "siamese", "spatial-contrasting"])
@pytest.mark.parametrize("seed", [0, 3])
def test_two_commands_train_the_network_of_one_to_the_bit(tmp_path: Path, method: str, seed: int):
    patch = {"patch": 8} if method == "spatial-contrasting" else {}
    whole = train.run(config(**of(pretrain=method, seed=seed, **patch)))
    body = train.run(config(**of(pretrain=method, seed=seed, **patch), pretrain_only=True, output=tmp_path / "body"))
    assert body.rows == () and body.pretraining[0].loss == whole.pretraining[0].loss
    for weights in (tmp_path / "body", tmp_path / "body" / "weights.safetensors"):
        after = train.run(config(limit=60, labels=40, pretrain="none", seed=seed, weights=weights))
        assert after.rows[0].weights_sha256 == whole.rows[0].weights_sha256
        assert after.rows[0].accuracy == whole.rows[0].accuracy


def test_the_body_has_no_last_layer_and_each_seed_starts_one(tmp_path: Path):
    train.run(config(**of(), pretrain_only=True, output=tmp_path / "body"))
    held = load_weights(tmp_path / "body" / "weights.safetensors")
    start = job_module.build(opened(config(pretrain="none"))).model.state_dict()
    assert set(start) - set(held) == LAST and set(held) < set(start)
    built = [
        job_module.build(opened(config(pretrain="none", weights=tmp_path / "body", seed=seed))).model.state_dict()
        for seed in (0, 1)
    ]
    for name in start:
        assert torch.equal(built[0][name], start[name] if name in LAST else held[name])
        assert torch.equal(built[0][name], built[1][name]) != (name in LAST)


def test_a_stopped_one_resumes_to_the_bit_and_a_finished_one_is_given_again(tmp_path: Path):
    whole = train.run(config(**of(), pretrain_only=True, output=tmp_path / "whole"))
    stopped = train.run(config(**of(), pretrain_only=True, output=tmp_path / "run"), report=Stopping(1))
    assert COMMAND.answer(stopped) == "stopped before the end" and not (tmp_path / "run" / "weights.safetensors").exists()
    train.run(config(**of(), pretrain_only=True, output=tmp_path / "run", resume=True))
    files = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "run")]
    assert files[0] == files[1] and not (tmp_path / "run" / "pretraining.safetensors").exists()
    again = train.run(config(**of(), pretrain_only=True, output=tmp_path / "whole", resume=True))
    assert again.pretraining == whole.pretraining
    with pytest.raises(UsageError, match="was started with"):
        train.run(config(**of(pretrain_epochs=3), pretrain_only=True, output=tmp_path / "whole", resume=True))
    with pytest.raises(UsageError, match="already holds a body"):
        train.run(config(**of(), pretrain_only=True, output=tmp_path / "whole"))
    with pytest.raises(UsageError, match="holds a body"):
        train.run(config(**of(), output=tmp_path / "whole", resume=True))
    train.run(config(**of(), output=tmp_path / "trained"))
    with pytest.raises(UsageError, match="holds a run"):
        train.run(config(**of(), pretrain_only=True, output=tmp_path / "trained", resume=True))


def test_a_stopped_one_may_go_on_as_a_whole_training(tmp_path: Path):
    whole = train.run(config(**of()))
    train.run(config(**of(), pretrain_only=True, output=tmp_path / "run"), report=Stopping(1))
    assert (
        train.run(config(**of(), output=tmp_path / "run", resume=True)).rows[0].weights_sha256 == whole.rows[0].weights_sha256
    )


def test_what_it_tells(tmp_path: Path):
    chosen = config(**of(), pretrain_only=True, output=tmp_path / "body")
    assert any(line.startswith("pre-train this: ") and " 2 steps " in line for line in train.plan(chosen))
    result = train.run(chosen)
    assert COMMAND.answer(result).startswith("pre-trained by simclr on 60 images in 2 epochs, loss ")
    assert any(f"--weights {tmp_path / 'body'}" in note for note in result.notes)
    (record,) = result.records()
    assert record["method"] == "simclr" and record["linear_after"] == result.pretraining[0].after.linear.value
    with pytest.raises(InputError, match=r"not a run directory, it has no model\.json, only weights"):
        eval.run(EvalConfig(model=str(tmp_path / "body"), data="digits"))


def test_scores_too(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(60))
    settings = {"data": str(folder), "task": "score", "model": "mlp", "limit": None}
    whole = train.run(config(**settings))
    body = train.run(config(**settings, pretrain_only=True, output=tmp_path / "body"))
    assert COMMAND.answer(body).startswith("pre-trained by siamese on ")
    after = train.run(config(**{**settings, "pretrain": "none"}, weights=tmp_path / "body"))
    assert after.rows[0].weights_sha256 == whole.rows[0].weights_sha256


def test_what_does_not_apply_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="`pretrain_only` needs `pretrain`"):
        config(pretrain="none", pretrain_only=True)
    changes = {"grow": ("elu",), "surgery": ("elu",), "versus": "--lr 1", "mixup": 0.2, "ema": 0.9, "class_weights": True}
    for name, value in {**changes, "early_stop": ("loss", 2), "label_smoothing": 0.1, "log": ("csv",)}.items():
        with pytest.raises(UsageError, match=f"`{name}` does not apply to `pretrain_only`"):
            config(**of(), pretrain_only=True, **{name: value})
    with pytest.raises(UsageError, match="normalises its images"):
        train.plan(config(**of(), pretrain_only=True, normalise="0-255"))
