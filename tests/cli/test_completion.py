"""What shells complete: the words that dlcli offers for a line, and what bash, zsh and fish make of them at a terminal."""

import csv
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from dlcli.cli.command import COMMANDS
from dlcli.cli.completers import COMPLETERS, builders
from dlcli.core.data.corrupt import FORMS
from dlcli.core.training.early_stopping import METRICS
from dlcli.specs.option import declared, key
from dlcli.specs.shared import RunOptions
from tests.conftest import ROOT, Run

Offered = Callable[[str], list[str]]

WITHOUT_NAMES = {
    "prefix",
    "weights-key",
    "freeze",
    "lr-for",
    "versus",
    "target",
    "forget-keys",
    "against",
    "sheet",
    "older",
    "cluster",
}
"""Options with values of the user's own making, and paths."""


@pytest.fixture
def offered(dlcli: Run, environment: dict[str, str], tmp_path: Path) -> Offered:
    """The words offered for a line that ends at the cursor, typed in a folder with a table, a run and some files."""
    with (tmp_path / "faq.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["id", "question", "first name"], ["1", "how do I log in", "Ada"]])
    (tmp_path / "log.jsonl").write_text(json.dumps({"doc": {"title": "a title", "number": 1}}) + "\n", encoding="utf-8")
    for name, file in (("runs/mine", "model.json"), ("pictures/cat", "labels.txt"), ("many", "ensemble.json")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / file).touch()
    (tmp_path / "pictures" / "labels.csv").write_text("file,class,patient\n", encoding="utf-8")
    for name in ("net.py", "net.safetensors", "notes.md", "digits.npz"):
        (tmp_path / name).touch()

    def ask(line: str) -> list[str]:
        asked = {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": line}
        done = dlcli(env={**environment, **asked, "_DLCLI_COMPLETE": "complete_fish"})
        assert done.stderr == b""
        return [found.partition("\t")[0] for found in done.stdout.decode().splitlines() if found]

    return ask


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("dlcli dedu", ["dedupe"]),
        ("dlcli train --weight-d", ["--weight-decay"]),
        ("dlcli attack --method fgsm,pg", ["fgsm,pgd"]),
        ("dlcli attack --norm ", ["linf", "l2", "l1"]),
        ("dlcli train --augment cro", ["crop"]),
        ("dlcli train --with erase", ["erase-relu"]),
        ("dlcli train --optimizer sgd,adamw,ada", ["sgd,adamw,adam", "sgd,adamw,adadelta"]),
        ("dlcli train --adversarial pg", ["pgd:"]),
        ("dlcli train --data fashion", ["fashion-mnist"]),
        ("dlcli train --data dig", ["digits", "digits.npz"]),
        ("dlcli train pic", ["pictures/"]),
        ("dlcli eval --model runs/", ["runs/mine"]),
        ("dlcli eval man", ["many"]),
        ("dlcli predict net", ["net.py", "net.safetensors"]),
        ("dlcli predict not", []),
        ("dlcli eval torchvision:resnet5", ["torchvision:resnet50"]),
        ("dlcli convert-2d-to-3d resnet15", ["resnet152"]),
        ("dlcli eval --arch squeezenet", ["squeezenet1_0", "squeezenet1_1"]),
        ("dlcli train --task pairs --model bi", ["birnn"]),
        ("dlcli dedupe faq.csv --column ", ["id", "question", "first name"]),
        ("dlcli dedupe faq.csv --column=qu", ["question"]),
        ("dlcli dedupe faq.csv --column id,q", ["id,question"]),
        ("dlcli dedupe faq.csv --keep-rule max:i", ["max:id"]),
        ("dlcli dedupe log.jsonl --column doc", ["doc.title", "doc.number"]),
        ("dlcli dedupe nothing.csv --column ", []),
        ("dlcli dedupe --column ", []),
        ("dlcli dedupe faq.csv --against log.jsonl --against-column doc.t", ["doc.title"]),
        ("dlcli train pictures --label-column ", ["file", "class", "patient"]),
        ("dlcli eval runs/mine pictures --slices pa", ["patient"]),
        ("dlcli eval runs/mine --fail-under top", ["top-1=", "top-5="]),
        ("dlcli list att", ["attacks"]),
        ("dlcli dedupe faq.csv --format c", ["csv"]),
    ],
)
def test_a_line_is_completed(line: str, words: list[str], offered: Offered) -> None:
    assert set(offered(line)) == set(words)


def test_every_option_with_names_completes_them() -> None:
    """What may be typed for an option is known for each: its choices, a completer, a path or a number, or it is the user's."""
    for command in COMMANDS:
        config = import_module(f"dlcli.cli.commands.{command.replace('-', '_')}").COMMAND.config
        for item, details in (*declared(config), *declared(RunOptions)):
            texts = "str" in str(item.type) and not details.choices
            if texts and not re.fullmatch(r"N.*|.*(EPOCHS|ALPHA|QUOTING).*|.*METHOD.*", details.metavar):
                assert key(item) in COMPLETERS or key(item) in WITHOUT_NAMES, f"{command} --{key(item)}"


def test_the_lists_of_names_are_those_of_the_engines() -> None:
    assert {word.rstrip("=") for word in COMPLETERS["corrupt"](None, "")} == {form.partition("=")[0] for form in FORMS}
    assert set(COMPLETERS["early-stop"](None, "")) == set(METRICS)


def test_the_networks_of_torchvision_and_timm_are_found_in_their_source() -> None:
    torchvision = pytest.importorskip("torchvision")
    assert set(builders("torchvision")) == set(torchvision.models.list_models(module=torchvision.models))
    timm = pytest.importorskip("timm")
    assert set(builders("timm")) == set(timm.list_models())


SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
SETUP = {"zsh": "autoload -U compinit && compinit -u -D; ", "bash": "bind 'set enable-bracketed-paste off'; "}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("dlcli dedu", "dlcli dedupe"),
        ("dlcli attack --method fgsm,pg", "dlcli attack --method fgsm,pgd "),
        ("dlcli dedupe faq.csv --column ques", "dlcli dedupe faq.csv --column question "),
        ("dlcli dedupe faq.csv --column fir", r"dlcli dedupe faq.csv --column first\ name "),
        ("dlcli dedupe faq.csv --column=ques", "dlcli dedupe faq.csv --column=question "),
        ("dlcli eval torchvision:squeezenet1_1", "dlcli eval torchvision:squeezenet1_1 "),
        ("dlcli eval runs/m", "dlcli eval runs/mine "),
        ("dlcli train pic", "dlcli train pictures/"),
        ("dlcli train -o not", "dlcli train -o notes.md "),
    ],
)
def test_a_shell_completes_a_line(
    shell: str, typed: str, completed: str, offered: Offered, environment: dict[str, str], tmp_path: Path
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    if shell == "fish" and "--column=" in typed:
        pytest.skip("fish completes the value after = only for options that it was told of one by one")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "dlcli"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dlcli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    settings = {**environment, "PATH": path, "TERM": "dumb", "PS1": "$ ", "HOME": str(tmp_path), "INPUTRC": os.devnull}
    script = ROOT / "completions" / f"dlcli.{shell}"
    printed = Terminal(SHELLS[shell], settings, tmp_path).complete(f"{SETUP.get(shell, '')}source '{script}'", typed)
    assert completed in printed
    assert "pictures/ " not in printed


class Terminal:
    """A shell on a pseudo terminal."""

    def __init__(self, arguments: list[str], environment: dict[str, str], folder: Path) -> None:
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(arguments[0], arguments, environment)  # noqa: S606

    def complete(self, setup: str, typed: str) -> str:
        """Type a line and Tab, and let the shell print what it has then."""
        os.write(self.descriptor, f"{setup}\necho re''ady\n".encode())
        self._read_until("ready")
        os.write(self.descriptor, f"{typed}\t".encode())
        time.sleep(0.2)
        # Ctrl-A to the start of the line, and what is there becomes the argument of a command that prints it.
        os.write(self.descriptor, b"\x01printf '<%s>' '\x05'\n")
        text = self._read_until(">")
        os.close(self.descriptor)
        os.waitpid(self.pid, 0)
        return text

    def _read_until(self, end: str, seconds: float = 20.0) -> str:
        text, stop = "", time.monotonic() + seconds
        while end not in text and time.monotonic() < stop:
            if select.select([self.descriptor], [], [], 0.1)[0]:
                text += os.read(self.descriptor, 4096).decode(errors="replace")
        return text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_the_login_shell_is_printed(shell: str, dlcli: Run, environment: dict[str, str]) -> None:
    done = dlcli("--show-completion", env={**environment, "SHELL": f"/usr/bin/{shell}"})
    assert (done.returncode, done.stdout) == (0, (ROOT / "completions" / f"dlcli.{shell}").read_bytes())


def test_completion_is_installed_for_the_shell_that_it_runs_in(environment: dict[str, str], tmp_path: Path) -> None:
    call = [shutil.which("bash") or "bash", "-c", f"{sys.executable} -m dlcli --install-completion; exit $?"]
    done = subprocess.run(call, env={**environment, "HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    script = tmp_path / ".bash_completions" / "dlcli.sh"
    assert str(script) in done.stdout
    assert script.read_bytes() == (ROOT / "completions" / "dlcli.bash").read_bytes()
    assert str(script) in (tmp_path / ".bashrc").read_text(encoding="utf-8")
