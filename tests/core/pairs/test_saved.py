"""A scorer in its folder: the same after as before, and whatever is wrong with the folder is said in a line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlcli.core.pairs.labelled import split_by_question
from dlcli.core.pairs.saved import METADATA, WEIGHTS, is_scorer_dir, load_scorer, read_threshold_counts, save_scorer
from dlcli.core.pairs.scorers.lexical import Lexical
from dlcli.core.pairs.scorers.words import Words
from dlcli.support.errors import DlcliError, InputError
from tests.core.pairs.synthetic_pairs import synthetic_pairs

TRAIN, DEV, TEST = split_by_question(synthetic_pairs(400), 0)
HELD_OUT = {"pairs": len(TEST), "operating": [[0.5, 3, 2, 2.5]]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_scorer(tmp_path / "run", Lexical(learner="trees", trees=20).fit(TRAIN, DEV, 0), HELD_OUT)
    return tmp_path / "run"


@pytest.mark.parametrize("settings", [Lexical(learner="trees", trees=20), Lexical("tfidf", learner="logistic"), Words()])
def test_it_scores_the_same_to_the_bit(settings: Lexical | Words, tmp_path: Path):
    scorer = settings.fit(TRAIN, DEV, 0)
    digest = save_scorer(tmp_path, scorer, HELD_OUT)
    found = load_scorer(tmp_path)
    assert found.sha256 == digest and found.held_out == HELD_OUT and is_scorer_dir(tmp_path)
    expected = scorer.score(TEST.texts, TEST.first, TEST.second)
    np.testing.assert_array_equal(found.scorer.score(TEST.texts, TEST.first, TEST.second), expected)
    before = [(tmp_path / name).read_bytes() for name in (METADATA, WEIGHTS)]
    save_scorer(tmp_path, settings.fit(TRAIN, DEV, 0), HELD_OUT)
    assert [(tmp_path / name).read_bytes() for name in (METADATA, WEIGHTS)] == before


def test_no_torch_is_needed_to_use_one_that_is_no_network(folder: Path):
    code = (
        "import sys\nfrom pathlib import Path\nimport numpy as np\nfrom dlcli.core.pairs.saved import load_scorer\n"
        f"s = load_scorer(Path({str(folder)!r})).scorer\n"
        "s.score(['a b', 'a c'], np.array([0]), np.array([1]))\n"
        "print([name for name in ('torch', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def edit(name: str, value: object):
    def do(folder: Path) -> None:
        card = json.loads((folder / METADATA).read_text())
        card[name] = value
        (folder / METADATA).write_text(json.dumps(card))

    return do


def rename_tensor(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    from dlcli.support.fingerprints import file_sha256

    arrays = load_file(folder / WEIGHTS)
    arrays["learned.other"] = arrays.pop("learned.roots")
    save_file(arrays, folder / WEIGHTS)
    edit("weights_sha256", file_sha256(folder / WEIGHTS))(folder)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda f: (f / METADATA).unlink(), "not a run directory"),
        (lambda f: (f / METADATA).write_text("{"), "not JSON"),
        (lambda f: (f / METADATA).write_text("[]"), "holds no scorer of pairs"),
        (edit("task", "images"), "holds no scorer of pairs"),
        (edit("slope", "steep"), "slope must be a finite number"),
        (edit("scorer", "zzz"), "no scorer is called 'zzz'"),
        (edit("scorer", "auto"), "does not fit"),
        (edit("scorer", "words"), "does not fit"),
        (edit("features", ["word_cosine"]), "other features"),
        (edit("model", {}), "does not fit"),
        (lambda f: (f / WEIGHTS).unlink(), "no such file"),
        (lambda f: flip(f / WEIGHTS), "SHA-256 differs"),
        (lambda f: (f / WEIGHTS).write_bytes(b""), "SHA-256 differs"),
        (rename_tensor, "does not fit"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(folder: Path, harm, says: str):
    harm(folder)
    with pytest.raises(InputError, match=says) as error:
        load_scorer(folder)
    assert str(folder) in error.value.message and "\n" not in error.value.message


def test_a_network_for_images_is_told_apart(folder: Path):
    import torch

    from dlcli.core.model_io.run_dir import load_model

    with pytest.raises(DlcliError, match="a scorer of pairs of texts"):
        load_model(folder, torch.device("cpu"))
    assert not is_scorer_dir(folder.parent)


def test_what_thresholds_are_worth_is_read_without_the_weights(folder: Path):
    (folder / WEIGHTS).unlink()
    assert read_threshold_counts(folder) == [(0.5, 3, 2, 2.5)]


@pytest.mark.parametrize(
    "held_out",
    [
        {},
        {"operating": None},
        {"operating": [[0.5, 3]]},
        {"operating": [[0.5, 3, 2]]},
        {"operating": [[0.5, 3, 4, 3.0]]},
        {"operating": [[0.5, 3, 2, 4.0]]},
        {"operating": [["0.5", 3, 2, 3.0]]},
    ],
)
def test_a_card_that_does_not_say_what_thresholds_are_worth(folder: Path, held_out: dict[str, object]):
    edit("held_out", held_out)(folder)
    with pytest.raises(InputError, match="has no counts of held-out pairs by threshold") as error:
        read_threshold_counts(folder)
    assert str(folder) in error.value.message
