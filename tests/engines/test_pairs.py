"""`dlcli train --task pairs` and `dlcli eval RUN PAIRS.csv` as engines."""

import csv
import json
import shutil
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn import metrics as peer

from dlcli.cli.commands.eval import COMMAND as EVAL
from dlcli.core.pairs.labelled import make_labelled_pairs, read_labelled_pairs, split_by_question
from dlcli.core.pairs.saved import load_scorer
from dlcli.engines import dedupe, ensemble, predict, train
from dlcli.engines import eval as eval_engine
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.pairs import ESSAY_PRECISION, check_applicable, parse_names
from dlcli.specs.predict import PredictConfig
from dlcli.specs.table_options import FIELDS
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, ResourceError, UsageError
from tests.core.pairs.synthetic_pairs import synthetic_pairs, write
from tests.core.text.vectors import fake_sentence


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(synthetic_pairs(500), tmp_path_factory.mktemp("pairs") / "pairs.csv")


@pytest.fixture(scope="module")
def folder(table: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("runs") / "run"
    train.run(TrainConfig(data=table, task="pairs", model="lexical", output=found))
    return found


def test_train_reports_the_metrics_of_the_saved_scorer_on_the_test_part(table: str, tmp_path: Path):
    result = train.run(TrainConfig(data=table, task="pairs", model="lexical", output=tmp_path / "run", seed=3))
    saved = load_scorer(tmp_path / "run")
    parts = split_by_question(read_labelled_pairs(table), 3)
    assert (result.n_train, result.n_dev, result.n_test) == tuple(map(len, parts))
    test = parts[2]
    p = saved.scorer.score(test.texts, test.first, test.second)
    found = {one.name: one.estimate.value for one in result.metrics}
    assert found["auc"] == pytest.approx(peer.roc_auc_score(test.duplicate, p))
    assert found[ESSAY_PRECISION] == found["precision"] == pytest.approx(peer.precision_score(test.duplicate, p >= 0.5))
    assert result.weights_sha256 == saved.sha256 and result.model == "lexical"
    row = next(one for one in result.operating if one.threshold == 0.5)
    assert (row.predicted_positive, row.true_positive) == (int((p >= 0.5).sum()), int(test.duplicate[p >= 0.5].sum()))
    assert (
        saved.held_out["metrics"]["auc"][0] == found["auc"]
        and [0.5, row.predicted_positive, row.true_positive, row.effective] in saved.held_out["operating"]
    )


def test_one_seed_gives_the_same_files(table: str, folder: Path, tmp_path: Path):
    train.run(TrainConfig(data=table, task="pairs", model="lexical", output=tmp_path / "run"))
    for path in folder.iterdir():
        assert (tmp_path / "run" / path.name).read_bytes() == path.read_bytes()
    with pytest.raises(UsageError, match="already holds a run"):
        train.run(TrainConfig(data=table, task="pairs", output=tmp_path / "run"))


def test_nothing_is_written_without_an_output(table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    result = train.run(TrainConfig(data=table, task="pairs", model="lexical"))
    assert result.weights_sha256 == "" and not list(tmp_path.iterdir())


def test_eval_is_scikit_learns_and_lists_the_mistakes(table: str, folder: Path, tmp_path: Path):
    result = eval_engine.run(EvalConfig(model=str(folder), data=table, output=tmp_path))
    pairs = read_labelled_pairs(table)
    p = load_scorer(folder).scorer.score(pairs.texts, pairs.first, pairs.second)
    found = {one.name: one.estimate.value for one in result.metrics}
    assert found["ap"] == pytest.approx(peer.average_precision_score(pairs.duplicate, p))
    assert found["f1"] == pytest.approx(peer.f1_score(pairs.duplicate, p >= 0.5))
    assert result.n_pairs == len(pairs)
    rows = list(csv.DictReader((tmp_path / "mistakes.csv").read_text().splitlines()))
    wrong = np.flatnonzero((p >= 0.5) != pairs.duplicate)
    assert sorted(int(row["row"]) - 1 for row in rows) == wrong.tolist()
    doubts = [abs(float(row["probability"]) - 0.5) for row in rows]
    assert doubts == sorted(doubts, reverse=True)
    assert all(row["question1"] == pairs.texts[pairs.first[int(row["row"]) - 1]] for row in rows)


def test_fail_under(table: str, folder: Path):
    assert not eval_engine.run(EvalConfig(model=str(folder), data=table, fail_under=("auc", 0.5))).failed
    failed = eval_engine.run(EvalConfig(model=str(folder), data=table, fail_under=("f1", 0.9999))).failed
    assert failed.startswith("f1 on ") and "below 0.9999" in failed
    with pytest.raises(UsageError, match="'top-1' is not one of accuracy"):
        eval_engine.run(EvalConfig(model=str(folder), data=table, fail_under=("top-1", 0.5)))
    with pytest.raises(UsageError, match="'f1' is not one of top-1"):
        eval_engine.run(EvalConfig(fail_under=("f1", 0.5), limit=10))


def test_plans_write_nothing(table: str, folder: Path, tmp_path: Path):
    lines = train.plan(TrainConfig(data=table, task="pairs", model="words", output=tmp_path / "run"))
    assert lines[0].startswith("read 500 labelled pairs") and "words" in lines[2] and "run" in lines[3]
    lines = eval_engine.plan(EvalConfig(model=str(folder), data=table, output=tmp_path / "report"))
    assert "read lexical" in lines[0] and "500 labelled pairs" in lines[1]
    assert not list(tmp_path.iterdir())


def test_columns_by_name(tmp_path: Path):
    data = write(synthetic_pairs(200), tmp_path / "p.csv", ("left", "right", "same"))
    with pytest.raises(InputError, match="cannot find two text columns"):
        train.run(TrainConfig(data=data, task="pairs"))
    result = train.run(TrainConfig(data=data, task="pairs", model="lexical", columns=("left", "right", "same")))
    assert result.n_train + result.n_dev + result.n_test == 200


def test_rows_that_are_skipped_are_counted_and_do_not_shift_the_others(table: str, folder: Path, tmp_path: Path):
    head, *rows = Path(table).read_text().splitlines()
    data, bad = tmp_path / "p.csv", tmp_path / "bad.csv"
    data.write_text("\n".join([head, "a,b,", "c", ",b,1", *rows]))
    options = {"data": str(data), "skip_bad": bad}
    for result in (
        train.run(TrainConfig(task="pairs", model="lexical", **options)),
        eval_engine.run(EvalConfig(model=str(folder), output=tmp_path / "after", **options)),
    ):
        notes = [note.removeprefix(f"{data}: ") for note in result.notes]
        assert {"skipped 1 row, the first in line 3", "skipped 1 row without a label", "skipped 1 row without a text"} <= {
            *notes
        }
        assert bad.read_text().splitlines()[1].endswith(",c")
    bad.unlink()
    eval_engine.run(EvalConfig(model=str(folder), data=table, output=tmp_path / "before"))
    before, after = (
        list(csv.reader((tmp_path / name / "mistakes.csv").read_text().splitlines()))[1:] for name in ("before", "after")
    )
    assert before and [[str(int(row[0]) + 2), *row[1:]] for row in before] == after
    assert eval_engine.plan(EvalConfig(model=str(folder), **options)) and not bad.exists()


def splits(data: str, seed: int) -> bool:
    """Whether each part of so few pairs has both labels."""
    try:
        return len(split_by_question(read_labelled_pairs(data), seed)) == 3
    except InputError:
        return False


def test_a_handful_of_pairs_is_reported(tmp_path: Path):
    data = write(synthetic_pairs(24), tmp_path / "p.csv")
    seed = next(seed for seed in range(99) if splits(data, seed))
    result = train.run(TrainConfig(data=data, task="pairs", model="lexical", seed=seed))
    assert any("too few to estimate the intervals" in note for note in result.notes)
    assert {(m.estimate.low, m.estimate.high) for m in result.metrics if m.name in ("auc", "ap", "ece")} == {(0.0, 1.0)}


@pytest.mark.parametrize("name", [item.name for item in fields(TrainConfig)])
def test_options_that_do_not_apply_are_refused_by_name(name: str):
    others = {
        **{"surgery": ("elu",), "augment": ("crop",), "epochs": 3, "batch_size": 3, "limit": 3, "size": 3, "optimizer": "adam"},
        **{"lr": 0.1, "schedule": "cosine", "label_smoothing": 0.1, "clip_norm": 1.0, "ema": 0.9, "dev": 0.1, "strict": True},
        **{"early_stop": ("loss", 3), "precision": "float32", "class_weights": True, "corrupt": "labels=1", "resume": True},
        **{"adversarial": ("fgsm", 0.1, 1.0), "versus": "baseline", "weights": Path("w.pth")},
        **{
            "lr_for": ("a=0.1",),
            "momentum": 0.5,
            "weight_decay": 0.1,
            "warmup": 1.0,
            "freeze": ("a",),
            "mixup": 0.2,
            "cutmix": 1.0,
        },
        **{"loss": "mae", "huber_delta": 2.0, "balance": "score", "score_column": "a", "raters": ("a",), "group": "a"},
        **{
            "pretrain": "siamese",
            "pretrain_epochs": 2,
            "distance": "l2",
            "margin": 2.0,
            "patch": 4,
            "unlabelled": "x",
            "labels": 9,
            "grow": ("widen=2",),
        },
        **{"pretrain_only": True, "semi": "fixmatch", "alpha": 5.0, "temperature": (0.5, 1e-5), "threshold": 0.9},
        **{"unlabelled_weight": 2.0, "unlabelled_ratio": 2, "steps_per_epoch": 5, "labels_seed": 3, "label_draws": 2},
        **{"crop": 8, "ignore": 3, "rate": 8000, "pad": True, "next": True, "steps": 5},
        **{"frames": 3, "clips": 2, "fps": 5.0, "normalise": "none", "label_column": "a", "trust_code": True, "log": ("csv",)},
        **{"detect": 0.01, "cluster": "auto", "prove_causal": True, "suspects": 3, "probe": 1},
    }
    applicable = {"data", "task", "model", "vectors", "columns", *FIELDS, "seed", "device", "output"}
    if name in applicable | {"seeds", "workers", "weights_key"}:  # of another option
        return
    with pytest.raises(UsageError, match=f"`{name}` does not apply to `task=pairs`"):
        TrainConfig(data="x.csv", task="pairs", **{name: others[name]})


def test_the_other_way_round():
    with pytest.raises(UsageError, match="`vectors` needs `task=pairs`"):
        TrainConfig(vectors="tfidf")
    with pytest.raises(UsageError, match="`columns` needs `task=pairs`"):
        TrainConfig(columns=("a", "b", "c"))
    for name, value in {"encoding": "cp1252", "skip": 1, "no_header": True, "skip_bad": Path("bad.csv")}.items():
        with pytest.raises(UsageError, match=f"`{name}` needs `task=pairs`"):
            TrainConfig(**{name: value})
        with pytest.raises(UsageError, match=f"`{name}` needs a directory"):
            eval_engine.run(EvalConfig(**{name: value}))
    with pytest.raises(UsageError, match="learns from a table of labelled pairs"):
        TrainConfig(task="pairs")
    with pytest.raises(UsageError, match="`columns` needs a directory"):
        eval_engine.run(EvalConfig(columns=("a", "b", "c")))


def test_the_device_reaches_the_vectors(table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In training, in evaluation of the test part, and in `dlcli eval`; it changes nothing in the saved files."""
    devices = fake_sentence.install(monkeypatch)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    options = {"data": table, "task": "pairs", "model": "lexical", "vectors": fake_sentence.SPEC}
    for device in ("cuda:1", "cpu", "auto"):
        devices.clear()
        train.run(TrainConfig(device=device, output=tmp_path / device, **options))
        assert devices and set(devices) == {device}
    for path in (tmp_path / "cpu").iterdir():
        assert path.read_bytes() == (tmp_path / "cuda:1" / path.name).read_bytes()
    for device in ("cuda:1", "cpu", "auto"):
        devices.clear()
        eval_engine.run(EvalConfig(model=str(tmp_path / "cpu"), data=table, device=device))
        assert set(devices) == {device}


@pytest.mark.parametrize("call", ["run", "plan"])
def test_an_accelerator_that_nothing_uses_or_that_is_not_there_is_refused(
    table: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
):
    fake_sentence.install(monkeypatch)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    pairs = {"data": table, "task": "pairs"}
    for settings, what in (
        ({}, "auto trains"),
        ({"model": "words"}, "words trains"),
        ({"vectors": "tfidf"}, "auto trains with tfidf"),
    ):
        with pytest.raises(UsageError, match=f"`device`: {what} on the CPU") as error:
            getattr(train, call)(TrainConfig(device="cuda", **pairs, **settings))
        assert error.value.hint == "omit `device`"
    with pytest.raises(ResourceError, match="torch finds no cuda device"):
        getattr(train, call)(TrainConfig(device="cuda", vectors=fake_sentence.SPEC, **pairs))
    with pytest.raises(UsageError, match="`device`: lexical scores pairs on the CPU"):
        getattr(eval_engine, call)(EvalConfig(model=str(folder), data=table, device="cuda"))
    train.run(TrainConfig(model="lexical", vectors=fake_sentence.SPEC, output=tmp_path / "run", **pairs))
    with pytest.raises(ResourceError, match="torch finds no cuda device"):
        getattr(eval_engine, call)(EvalConfig(model=str(tmp_path / "run"), data=table, device="cuda"))


def test_models_and_vectors_that_are_not_there(table: str, folder: Path):
    with pytest.raises(UsageError, match="no scorer of pairs is called 'wordz'"):
        train.run(TrainConfig(data=table, task="pairs", model="wordz"))
    with pytest.raises(UsageError, match="words learns its own"):
        train.run(TrainConfig(data=table, task="pairs", model="words", vectors="tfidf"))
    with pytest.raises(InputError, match="no spaCy package"):
        train.run(TrainConfig(data=table, task="pairs", vectors="spacy:no_such_package"))
    with pytest.raises(UsageError, match="needs labelled pairs"):
        eval_engine.run(EvalConfig(model=str(folder)))
    with pytest.raises(UsageError, match="`split` does not apply to a scorer of pairs"):
        eval_engine.run(EvalConfig(model=str(folder), data=table, split="dev"))
    with pytest.raises(InputError, match="no such file"):
        eval_engine.run(EvalConfig(model=str(folder), data="no-such.csv"))


def test_the_result_is_json(table: str):
    result = train.run(TrainConfig(data=table, task="pairs", model="lexical"))
    assert [row["metric"] for row in result.records()][:2] == ["accuracy", "precision"]
    json.dumps(result.settings)


@pytest.mark.parametrize("value", ["a", "a,b", "a,b,", "a,b,c,d", "a,a,b"])
def test_columns_are_three(value: str):
    with pytest.raises(ValueError, match="is not three names"):
        parse_names(value, example="x,y,z")
    assert parse_names("a,b,c", example="x,y,z") == ("a", "b", "c") and parse_names("", example="x,y,z") == ()
    with pytest.raises(ValueError, match="'a,b,c' is not two names, e.g. x,y"):
        parse_names("a,b,c", example="x,y")


def test_check_applicable_lets_defaults_pass():
    check_applicable(EvalConfig(), ("data",), "nothing")


def test_pairs_that_the_scorer_was_trained_on_are_told(table: str, folder: Path, tmp_path: Path):
    """Of its own table those of the training and the dev part: the figures on the others are those that training reported."""
    pairs, seed = read_labelled_pairs(table), 0
    train_part, dev, test = split_by_question(pairs, seed)
    trained = train.run(TrainConfig(data=table, task="pairs", model="lexical"))
    found = eval_engine.run(EvalConfig(model=str(folder), data=table))
    assert (found.seen.n, found.seen.sharing) == (len(pairs), len(train_part) + len(dev))
    assert found.seen.same == found.seen.sharing
    reported = {one.name: one.estimate for one in trained.metrics}
    for one in found.seen.others:
        assert one.estimate.value == pytest.approx(reported[one.name].value, abs=1e-12), one.name
    assert f"on the other {len(test)}:" in found.notes[0]
    answer = EVAL.answer(found)
    assert f"of {len(pairs)}" not in answer and "test pairs" not in answer
    assert answer.endswith(f"on {len(pairs)} pairs, {found.seen.sharing} of which share a text with its training")
    names = [row["metric"] for row in found.records()]
    assert "auc, new texts" in names and [row[0] for row in EVAL.table(found).rows] == names


def test_texts_count_as_the_same_in_either_order_and_after_folding(table: str, folder: Path, tmp_path: Path):
    part = split_by_question(read_labelled_pairs(table), 0)[0]
    texts = [(part.texts[part.second[k]].upper(), part.texts[part.first[k]]) for k in range(len(part))]
    data = write(make_labelled_pairs(texts, part.duplicate.tolist()), tmp_path / "swapped.csv")
    found = eval_engine.run(EvalConfig(model=str(folder), data=data))
    assert found.seen.same == len(part) and not found.seen.others
    assert found.notes[0].startswith("These are the pairs that the scorer was trained on")
    assert "all of which it was trained on" in EVAL.answer(found)
    one_new = [(f"{a} unheard{k}", f"unseen{k} {b}") for k, (a, b) in enumerate(texts)]
    other = eval_engine.run(
        EvalConfig(model=str(folder), data=write(make_labelled_pairs(one_new, part.duplicate.tolist()), tmp_path / "new.csv"))
    )
    assert other.seen.sharing == 0 and other.notes[0].startswith("No pair shares a text")
    assert EVAL.answer(other).endswith(f" on {len(part)} pairs")


def test_a_run_without_hashes_of_its_texts_says_so_and_others_are_refused(table: str, folder: Path, tmp_path: Path):
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    (copy / "seen.safetensors").write_bytes(b"else")
    with pytest.raises(InputError, match=r"seen.safetensors: is missing, or does not belong"):
        eval_engine.run(EvalConfig(model=str(copy), data=table))
    metadata = json.loads((copy / "model.json").read_text())
    del metadata["seen_sha256"]
    (copy / "model.json").write_text(json.dumps(metadata))
    found = eval_engine.run(EvalConfig(model=str(copy), data=table))
    assert found.seen is None and "its run directory does not tell" in found.notes[0]


def test_predict_names_the_command_that_scores_pairs(table: str, folder: Path):
    for data, named in ((table, table), (None, "PAIRS.csv")):
        with pytest.raises(InputError, match="holds a scorer of pairs of texts") as caught:
            predict.run(PredictConfig(model=str(folder), **({} if data is None else {"data": data})))
        assert caught.value.hint == f"dlcli dedupe {named} --model {folder} --pair-columns A,B"
    found = dedupe.run(DedupeConfig(table=table, model=folder, pair_columns=("question1", "question2")))
    assert "score" in found.table.columns


@pytest.mark.parametrize("command", [train, ensemble])
def test_a_limit_that_leaves_one_label_is_named(command: ModuleType, tmp_path: Path):
    config = {train: TrainConfig, ensemble: EnsembleConfig}[command]
    with pytest.raises(UsageError, match="`limit`: the 1 training image of digits has one label"):
        command.run(config(limit=1, output=tmp_path / "run", device="cpu"))
