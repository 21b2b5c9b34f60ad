"""The option `device`: it reaches whatever encodes texts or searches among their vectors, and is refused where nothing does."""

import json
import subprocess
import sys

import pytest
import torch

from dlcli.core.pairs.encoders import TextEncoder
from dlcli.core.pairs.labelled import split_by_question
from dlcli.core.pairs.saved import save_scorer
from dlcli.core.pairs.scorers.lexical import Lexical
from dlcli.core.text.index_dir import FILE, read_index
from dlcli.core.text.search import device_join
from dlcli.engines.dedupe import against, candidates
from dlcli.engines.dedupe.engine import plan, run
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support.errors import InputError, ResourceError, UsageError
from tests.core.pairs.synthetic_pairs import synthetic_pairs, write
from tests.core.text.vectors import fake_sentence
from tests.core.text.vectors.fake_sentence import SPEC

TRAIN, DEV, TEST = split_by_question(synthetic_pairs(300), 0)


@pytest.fixture
def devices(monkeypatch):
    return fake_sentence.install(monkeypatch)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def gpu(monkeypatch):
    """torch finds a GPU, but no tensor can be put on it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


@pytest.fixture
def searched_on_the_cpu(monkeypatch):
    """Searches by torch, on the CPU, in tiny tiles; returns the devices that were asked for."""
    asked = []

    def search_device(spec, device):
        asked.append(device)
        return torch.device("cpu")

    for module in (candidates, against):
        monkeypatch.setattr(module, "search_device", search_device)
    monkeypatch.setattr(device_join, "WORK", 64)
    return asked


@pytest.fixture
def table(tmp_path):
    def path(texts, name="t.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        return str(tmp_path / name)

    return path


@pytest.fixture(scope="module")
def scorer(tmp_path_factory):
    """A scorer whose features include the cosine of sentence vectors."""
    folder = tmp_path_factory.mktemp("scorer")
    with pytest.MonkeyPatch.context() as patch:
        fake_sentence.install(patch)
        save_scorer(folder, Lexical(SPEC, learner="logistic").fit(TRAIN, DEV, 0, encoder=TextEncoder(SPEC)), {})
    return folder


def rows_of(path, **options):
    return run(DedupeConfig(table=path, column="text", threshold=0.2, **options)).table.rows


@pytest.mark.parametrize("mode", ["rows", "pairs", "against", "index"])
@pytest.mark.parametrize("many", [0.05, 1])
def test_a_search_by_torch_changes_no_row(table, tmp_path, devices, searched_on_the_cpu, monkeypatch, mode, many):
    """Whether all pairs are searched or, with at most the share `many` of new texts, only those that have one."""
    path, half = table(TEST.texts), table(TEST.texts[::2], "half.jsonl")
    options = {"vectors": SPEC, "candidates": 0.7, "device": "cpu"}
    monkeypatch.setattr("dlcli.core.text.search.cross_join._MANY", many)

    def found(folder):
        if mode == "index":
            rows_of(half, index=folder, **options)
        extra = {"pairs": {"pairs": True}, "against": {"against": half}, "index": {"index": folder}}
        return rows_of(path, **extra.get(mode, {}), **options)

    by_torch = found(tmp_path / "torch")
    assert set(searched_on_the_cpu) == {"cpu"}
    for module in (candidates, against):
        monkeypatch.setattr(module, "search_device", lambda spec, device: None)
    assert found(tmp_path / "numpy") == by_torch and len(by_torch) > 10


def test_the_device_reaches_the_encoder_and_the_search(table, tmp_path, devices, searched_on_the_cpu, monkeypatch, gpu):
    path = table(TEST.texts[:40])
    for settings in ({}, {"against": table(TEST.texts[40:60], "o.jsonl"), "candidates": 0.8}, {"index": tmp_path / "i"}):
        for device in ("cuda:0", "cpu") if "index" not in settings else ("cuda:0", "cuda"):
            devices.clear(), searched_on_the_cpu.clear()
            rows_of(path, vectors=SPEC, device=device, **settings)
            # The index already has the vectors of a table that it has.
            assert set(devices) <= {device} and set(searched_on_the_cpu) == {device}
            assert devices or ("index" in settings and device == "cuda")


def test_the_device_reaches_the_encoder_of_a_scorer(table, devices, scorer, no_gpu, tmp_path):
    rows_of(table(TEST.texts[:40]), model=scorer, device="cpu")
    assert set(devices) == {"cpu"}
    pairs = write(TEST, tmp_path / "pairs.csv")
    devices.clear()
    run(DedupeConfig(table=pairs, pair_columns=("question1", "question2"), model=scorer, device="cpu"))
    assert set(devices) == {"cpu"}
    for options in ({"table": table(TEST.texts[:9])}, {"table": pairs, "pair_columns": ("question1", "question2")}):
        for call in (run, plan):
            with pytest.raises(ResourceError, match="torch finds no cuda device"):
                call(DedupeConfig(model=scorer, device="cuda", **options))


@pytest.mark.parametrize("call", [run, plan])
def test_an_accelerator_that_nothing_uses_or_that_is_not_there_is_refused(table, tmp_path, devices, no_gpu, call):
    path = table(TEST.texts[:9])
    with pytest.raises(UsageError, match="`device`: vectors of tfidf are compared on the CPU") as error:
        call(DedupeConfig(table=path, device="cuda"))
    assert error.value.hint == "omit `device`"
    with pytest.raises(UsageError, match="`device`: pairs are scored on the CPU"):
        call(DedupeConfig(table=write(TEST, tmp_path / "p.csv"), pair_columns=("question1", "question2"), device="mps"))
    for device in ("cuda", "cuda:3", "mps"):
        with pytest.raises(ResourceError, match=f"torch finds no {device.partition(':')[0]} device") as error:
            call(DedupeConfig(table=path, vectors=SPEC, device=device))
        assert error.value.hint == "use `device=auto` or `device=cpu`"
    with pytest.raises(UsageError, match="'gpu' is not a device"):
        call(DedupeConfig(table=path, vectors=SPEC, device="gpu"))
    assert devices == []


def test_tfidf_never_imports_torch(table, tmp_path):
    old, new = table(TEST.texts[:30], "old.jsonl"), table(TEST.texts[20:], "new.jsonl")
    code = (
        "import sys; from pathlib import Path; from dlcli.engines.dedupe.engine import plan, run\n"
        "from dlcli.specs.dedupe import DedupeConfig; from dlcli.support.errors import UsageError\n"
        f"common = dict(table={new!r}, column='text')\n"
        f"index, old = Path({str(tmp_path / 'i')!r}), {old!r}\n"
        "for options in ({}, {'pairs': True}, {'against': old}, {'index': index}, {'index': index}, {'device': 'cpu'}):\n"
        "    plan(DedupeConfig(**common, **options)); run(DedupeConfig(**common, **options))\n"
        "try:\n    run(DedupeConfig(**common, device='cuda'))\n"
        "except UsageError: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def index_on(device, table, folder, monkeypatch, texts=TEST.texts[:20], name="a.jsonl"):
    """Add texts to an index by sentence vectors, as on a machine whose best device is `device`."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: device == "mps")
    return run(DedupeConfig(table=table(texts, name), column="text", vectors=SPEC, index=folder))


def test_an_index_records_how_its_vectors_were_computed(table, tmp_path, devices, searched_on_the_cpu, monkeypatch):
    index_on("cuda", table, tmp_path / "i", monkeypatch)
    stored = read_index(tmp_path / "i", {}).settings
    assert (stored["device"], stored["dtype"]) == ("cuda", "float32")
    run(DedupeConfig(table=table(TEST.texts[:9]), index=tmp_path / "j"))
    assert not {"device", "dtype"} & set(read_index(tmp_path / "j", {}).settings)


@pytest.mark.parametrize(("was", "now"), [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "mps")])
def test_an_index_of_another_kind_of_device_is_refused(table, tmp_path, devices, searched_on_the_cpu, monkeypatch, was, now):
    index_on(was, table, tmp_path / "i", monkeypatch)
    whole = (tmp_path / "i" / FILE).read_bytes()
    with pytest.raises(InputError) as error:
        index_on(now, table, tmp_path / "i", monkeypatch, TEST.texts[10:40], "b.jsonl")
    folder = tmp_path / "i"
    assert error.value.message == (
        f"`index={folder}` has float32 vectors computed on {was}, but this run computes them in float32 on {now}"
    )
    assert error.value.hint == f"use `device={was}`, or name another folder to start a new index"
    assert (folder / FILE).read_bytes() == whole
    if was == "cpu":  # what the hint says works
        run(DedupeConfig(table=table(TEST.texts[10:40]), column="text", vectors=SPEC, index=folder, device="cpu"))


def test_an_index_of_another_precision_is_refused(table, tmp_path, devices, searched_on_the_cpu, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("dlcli.core.text.vectors.encoders.sentence.DTYPE", "bfloat16")
        index_on("cuda", table, tmp_path / "i", monkeypatch)
    with pytest.raises(InputError, match=r"has bfloat16 vectors computed on cuda, but .* in float32 on cpu") as error:
        index_on("cpu", table, tmp_path / "i", monkeypatch, TEST.texts[10:40], "b.jsonl")
    assert error.value.hint == "name another folder to start a new index"


def test_an_index_that_records_no_precision_is_read_and_does_not_claim_one(
    table, tmp_path, devices, searched_on_the_cpu, monkeypatch
):
    folder = tmp_path / "i"
    with monkeypatch.context() as patch:
        patch.setattr("dlcli.engines.dedupe.index_changes.describe_encoding", lambda spec, device: {})
        before = index_on("cpu", table, folder, monkeypatch)
    after = index_on("cuda", table, folder, monkeypatch, TEST.texts[10:40], "b.jsonl")
    note = "does not record the precision of its vectors"
    assert not any(note in one for one in before.notes) and sum(note in one for one in after.notes) == 1
    stored = read_index(folder, {})
    assert len(stored.tables) == 2 and not {"device", "dtype"} & set(stored.settings)


def test_a_search_by_torch_is_exact_and_has_no_recall(table, devices, searched_on_the_cpu, monkeypatch):
    config = DedupeConfig(table=table(TEST.texts), column="text", vectors=SPEC, candidates=0.6, device="cpu")
    assert run(config).recall is None
    monkeypatch.setattr("dlcli.engines.dedupe.candidates.finds_all", lambda vectors, block, device: False)
    measured = run(config).recall
    assert measured.value == 1 and measured.n > 50 and 0 < measured.low < 1
