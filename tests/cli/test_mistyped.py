"""Each name that is mistyped is answered with the right one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlcli.cli.app import _fail, _invoke
from dlcli.cli.command import COMMANDS
from dlcli.cli.config_file import read_config
from dlcli.cli.mistyped import _OTHER_COMMANDS, _OTHER_OPTIONS, meant_option
from dlcli.specs.command_line import config_class
from dlcli.specs.option import declared, key
from dlcli.specs.shared import RunOptions
from dlcli.support.errors import UsageError

MISTYPED = [
    ("atack", "dlcli attack?"),
    ("trian", "dlcli train?"),
    ("dedup", "dlcli dedupe?"),
    ("deduplicate", "dlcli dedupe?"),
    ("evaluate", "dlcli eval?"),
    ("probe", "dlcli probe-gradients?"),
    ("convert", "dlcli convert-2d-to-3d?"),
    ("ensembel", "dlcli ensemble?"),
    ("--versoin", "--version?"),
    ("train --learning-rate 0.1", "--lr?"),
    ("train --epochz 3", "--epochs?"),
    ("train --n-epochs 3", "--epochs?"),
    ("train --label_smoothing 0.1", "--label-smoothing?"),
    ("train --wd 0.1", "--weight-decay?"),
    ("train --scheduler cosine", "--schedule?"),
    ("train --out-dir x", "--output?"),
    ("train --image-size 32", "--size?"),
    ("train --optimizer adm", "adam?"),
    ("train --schedule cosin", "cosine?"),
    ("train --augment flipp", "horizontal-flip?"),
    ("train --augment rotat", "rotate?"),
    ("train --with erase-rely", "erase-relu?"),
    ("train --model digit-net", "digits-net?"),
    ("train --normalise imagnet", "imagenet?"),
    ("train --log tensorbord:x", "tensorboard?"),
    ("attack --epsilon 0.1", "--eps?"),
    ("attack --method fgms", "fgsm?"),
    ("attack --norm l22", "l2?"),
    ("attack --ensemble men", "mean?"),
    ("attack --fail-under robst=0.5", "robust?"),
    ("eval run --fail-under top1=0.5", "top-1?"),
    ("eval run --spilt test", "--split?"),
    ("convert-2d-to-3d resnet18 --rule besnett", "besnet?"),
    ("convert-2d-to-3d resnet81", "resnet18?"),
    ("predict run --forma csv", "--format?"),
    ("probe-gradients --bn frozn", "frozen?"),
    ("ensemble --memebers 3", "--members?"),
    ("dedupe questions --colum question", "--column?"),
    ("dedupe questions --column questoin", "question?"),
    ("dedupe questions --treshold 0.5", "--threshold?"),
    ("dedupe questions --vectors tfidff", "tfidf?"),
    ("dedupe questions --mask number", "numbers?"),
    ("dedupe questions --keep-rule frist", "first?"),
]


@pytest.mark.parametrize(("typed", "meant"), MISTYPED)
def test_the_hint_names_what_was_meant(typed: str, meant: str, capsys: pytest.CaptureFixture[str]):
    words = typed.split()
    with pytest.raises(Exception) as caught:
        _invoke(words)
    assert _fail(caught.value, words) == 2 or words[:3] == ["dedupe", "questions", "--column"]
    assert f"did you mean {meant}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["train", "--versus", "--epochz 3"], "did you mean --epochs?"),
        (["train", "--versus", "lr 0.1"], "did you mean --lr?"),
        (["attack", "--eps", "8"], "for pixels of 0 to 255 write --eps 8/255;"),
        (["train", "lenet"], "(lenet is a model: give it as --model)"),
        (["train", "cifar"], "did you mean cifar10?"),
        (["train", "phots"], "did you mean photos?"),
        (["eval", "phots"], "did you mean photos?"),
        (["dedupe", "question"], "did you mean questions?"),
        (["dedupe", "photos/lables.csv"], f"did you mean photos{os.sep}labels.csv?"),
        (["dedupe", "photos/questions"], "there is no such file\n"),
    ],
)
def test_what_was_put_in_the_wrong_words_or_place(
    words: list[str], hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "labels.csv").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception) as caught:
        _invoke(words)
    assert _fail(caught.value, words) in (2, 3)
    assert hint in capsys.readouterr().err


def test_a_table_of_options_that_is_mistyped(tmp_path: Path):
    for name, hint in (("dedup", "did you mean [dedupe]?"), ("colour", "write [train] above its options")):
        (tmp_path / "dlcli.toml").write_text(f"[{name}]\nseed = 1\n")
        with pytest.raises(UsageError) as caught:
            read_config(tmp_path / "dlcli.toml", "train", [])
        assert caught.value.hint == hint


def test_other_names_lead_to_names_that_exist():
    options = {key(item) for name in COMMANDS for item, _ in declared(config_class(name))}
    options |= {key(item) for item, _ in declared(RunOptions)}
    assert {name for names in _OTHER_OPTIONS.values() for name in names} <= options
    assert set(_OTHER_COMMANDS.values()) <= {*COMMANDS, "--version"}


def test_an_option_of_another_command_is_not_offered():
    assert meant_option("epsilon", ["lr", "epochs"]) in ("", "lr", "epochs")
    assert meant_option("qqqq", ["lr", "epochs"]) == ""


def _run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-m", "dlcli", *words], env=environment, capture_output=True, text=True, check=False)


def test_variables_that_set_nothing_are_warned_of():
    done = _run("dedupe", "-n", "questions", DLCLI_COLUM="question", DLCLI_EPS="0.1", DLCLI_DEDUPE_PREFIX="x")
    assert done.returncode == 0
    assert done.stderr == "warning: the variable DLCLI_COLUM sets no option (did you mean DLCLI_COLUMN?)\n"


@pytest.mark.parametrize("name", ["attack", "dedupe"])
def test_help_of_a_command_by_a_word(name: str):
    assert _run("help", name).stdout == _run(name, "--help").stdout != ""


def test_help_of_all_commands_by_a_word():
    assert _run("help").stdout == _run("--help").stdout != ""
