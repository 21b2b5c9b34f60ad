"""The contract at the shell, held against every subcommand with the real program."""

import csv
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dlcli.cli.command import SUBCOMMANDS
from dlcli.support.lock import locked
from tests.cli.cases import CASES, Case
from tests.conftest import DLCLI, ROOT, Run, Start

HEAVY = ("torch", "torchvision", "numpy", "pandas", "scipy", "spacy", "sklearn", "matplotlib", "rich", "pydantic")
each_command = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def one_line(stderr: bytes, command: str) -> str:
    text = stderr.decode()
    assert text.count("\n") == 1, text
    assert text.startswith(f"dlcli {command}: ")
    return text


def test_every_subcommand_has_a_case():
    assert [case.name for case in CASES] == list(SUBCOMMANDS)


@pytest.mark.parametrize("arguments", [[], *[[name] for name in SUBCOMMANDS]], ids=["dlcli", *SUBCOMMANDS])
def test_help_is_clean(arguments: list[str], environment: dict[str, str]):
    code = (
        "import sys\nfrom dlcli.cli.app import main\n"
        f"sys.argv = ['dlcli', *{arguments!r}, '--help']\n"
        "try:\n    main()\nfinally:\n"
        f"    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert done.returncode == 0
    assert done.stderr.decode().strip() == "[]"
    assert b"Usage: dlcli" in done.stdout


@each_command
def test_help_tells_everything(case: Case, dlcli: Run):
    text = dlcli(case.name, "--help").stdout.decode()
    assert "Examples:" in text and "--config" in text and SUBCOMMANDS[case.name].split(",")[0] in " ".join(text.split())


@pytest.mark.parametrize("arguments", [[], *[[name] for name in SUBCOMMANDS]], ids=["dlcli", *SUBCOMMANDS])
def test_help_fits_80_columns(arguments: list[str], dlcli: Run, environment: dict[str, str]):
    text = dlcli(*arguments, "--help", env={**environment, "COLUMNS": "80"}).stdout.decode()
    assert [line for line in text.splitlines() if len(line) > 80] == []


@each_command
def test_unknown_flag_is_usage(case: Case, dlcli: Run):
    done = dlcli(case.name, "--no-such-flag")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "--no-such-flag" in one_line(done.stderr, case.name)


@each_command
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["", "dry"])
def test_missing_file_is_input(case: Case, dry: list[str], dlcli: Run):
    done = dlcli(case.name, *case.missing, *dry)
    assert (done.returncode, done.stdout) == (3, b"")
    assert case.missing[-1] in one_line(done.stderr, case.name)


@each_command
def test_json_holds_the_result(case: Case, dlcli: Run):
    done = dlcli(case.name, *case.quick, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout, parse_constant=pytest.fail)
    result = result_class(case)
    assert set(found) == {item.name for item in fields(result)}


def result_class(case: Case) -> type:
    module = "train_result" if case.name == "train" else case.name.replace("-", "_")
    return getattr(import_module(f"dlcli.specs.{module}"), f"{case.name.title().replace('-', '')}Result")


@each_command
@pytest.mark.parametrize("form", ["jsonl", "csv", "table"])
def test_other_forms(case: Case, form: str, dlcli: Run):
    done = dlcli(case.name, *case.quick, "--format", form)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    if form == "jsonl":
        assert all(isinstance(json.loads(line), dict) for line in text.splitlines())
    elif form == "csv":
        assert len({len(row) for row in csv.reader(io.StringIO(text, newline=""))}) == 1
    assert len(text.splitlines()) >= (1 if form == "jsonl" else 2)


@each_command
def test_a_pipe_gets_no_escapes(case: Case, dlcli: Run):
    done = dlcli(case.name, *case.quick)
    assert done.returncode == 0, done.stderr
    assert done.stdout and b"\x1b" not in done.stdout + done.stderr


@each_command
def test_quiet_says_nothing(case: Case, dlcli: Run):
    done = dlcli(case.name, *case.quick, "--quiet")
    assert (done.returncode, done.stderr) == (0, b"")


@each_command
def test_twice_gives_the_same(case: Case, dlcli: Run):
    first, second = (dlcli(case.name, *case.quick, "--format", "csv") for _ in range(2))
    assert first.stdout == second.stdout != b""


@each_command
def test_dry_run_does_nothing(case: Case, dlcli: Run, tmp_path: Path):
    done = dlcli(case.name, *case.quick, "--dry-run", "-o", case.output)
    assert done.returncode == 0, done.stderr
    assert case.output in done.stdout.decode()
    assert list(tmp_path.iterdir()) == []


@each_command
def test_printed_config_is_read_back(case: Case, dlcli: Run, tmp_path: Path):
    printed = dlcli(case.name, *case.quick, "--print-config").stdout
    (tmp_path / "options.toml").write_bytes(printed)
    again = dlcli(case.name, "--config", "options.toml", "--print-config").stdout
    assert tomllib.loads(again.decode()) == tomllib.loads(printed.decode())


@each_command
def test_unknown_key_in_config(case: Case, dlcli: Run, tmp_path: Path):
    (tmp_path / "options.toml").write_text(f"[{case.name}]\noutptu = 'x'\n")
    done = dlcli(case.name, "--config", "options.toml")
    assert done.returncode == 2
    assert "did you mean output?" in one_line(done.stderr, case.name)


@each_command
def test_order_of_sources(case: Case, dlcli: Run, environment: dict[str, str], tmp_path: Path):
    (tmp_path / "options.toml").write_text(f"[{case.name}]\noutput = 'from-file'\n")
    file = dlcli(case.name, "--config", "options.toml", "--print-config")
    variable = dlcli(case.name, "--config", "options.toml", "--print-config", env={**environment, "DLCLI_OUTPUT": "from-env"})
    given = {**environment, "DLCLI_OUTPUT": "from-env"}
    typed = dlcli(case.name, "--config", "options.toml", "-o", "from-flag", "--print-config", env=given)
    assert b'"from-file"' in file.stdout and b'"from-env"' in variable.stdout and b'"from-flag"' in typed.stdout


@each_command
def test_closed_pipe(case: Case, environment: dict[str, str], tmp_path: Path):
    # In an interpreter of its own, because at exit Python writes what is left in its buffers.
    command = [*DLCLI, case.name, *case.quick]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 141
    assert b"Traceback" not in said and b"Exception ignored" not in said


@each_command
def test_full_disk_on_stdout(case: Case, dlcli: Run):
    with open("/dev/full", "wb") as full:
        done = dlcli(case.name, *case.quick, "--quiet", stdout=full.fileno())
    assert done.returncode == 5
    assert "no space left" in one_line(done.stderr, case.name)


@each_command
def test_full_disk_on_output_leaves_nothing_partial(case: Case, dlcli: Run, tmp_path: Path):
    assert dlcli(case.name, *case.quick, "--quiet").returncode == 0  # whatever a cache may hold is in it now
    before = set(tmp_path.iterdir())
    # A limit on file size stands in for a full disk: both fail in the middle of a write.
    done = dlcli(case.name, *case.quick, "--quiet", "-o", case.output, file_size=512)
    assert done.returncode == 5
    one_line(done.stderr, case.name)
    target = tmp_path / case.output
    assert not target.is_file() and not [path for path in target.rglob("*") if path.is_file()]
    assert set(tmp_path.iterdir()) - {target} == before


@each_command
def test_lock_held(case: Case, dlcli: Run, tmp_path: Path):
    with locked(tmp_path / case.output):
        done = dlcli(case.name, *case.quick, "-o", case.output)
    assert done.returncode == 75
    assert case.output in one_line(done.stderr, case.name)
    assert dlcli(case.name, *case.quick, "-o", case.output).returncode == 0


@each_command
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals(case: Case, number: int, status: int, start_dlcli: Start):
    with start_dlcli(case.name, *case.endless) as process:
        # More standard input than a pipe holds is read, or a first line of progress appears: either way the work has begun.
        if case.endless == ("-",):
            process.stdin.write(b"question\n" * 20_000)
        else:
            assert select.select([process.stderr], [], [], 60)[0]
        process.send_signal(number)
        said = process.communicate()[1].decode()
    assert process.returncode == status
    assert "Traceback" not in said and said.splitlines()[-1].startswith(f"dlcli {case.name}: ")


@each_command
def test_no_color_on_a_terminal(case: Case, environment: dict[str, str], start_dlcli: Start):
    plain = on_terminal(start_dlcli, case.name, *case.quick, env={**environment, "NO_COLOR": "1"})
    assert not any(f"\x1b[{code}".encode() in plain for code in range(30, 38))
    assert b"[38;" not in plain and b"[48;" not in plain


def on_terminal(start_dlcli: Start, *arguments: str, env: dict[str, str], seconds: float = 120, **options: Any) -> bytes:
    """What a command draws on a terminal, of 80 columns unless the environment says otherwise."""
    parent, child = pty.openpty()
    streams = {"stdin": child, "stdout": child, "stderr": child}
    process = start_dlcli(*arguments, env={"COLUMNS": "80", **env, "TERM": "xterm"}, **streams, **options)
    os.close(child)
    seen, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            more = os.read(parent, 65536)
        except OSError:  # the other end is closed
            break
        seen += more
    os.close(parent)
    assert process.wait(timeout=30) == 0, seen
    return seen


def test_no_arguments_shows_help_and_fails(dlcli: Run):
    done = dlcli()
    assert done.returncode == 2
    assert b"Commands:" in done.stdout


def test_unknown_command(dlcli: Run):
    done = dlcli("dedup")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "dedup" in done.stderr.decode() and done.stderr.count(b"\n") == 1


def test_version(dlcli: Run):
    from dlcli import __version__

    assert dlcli("--version").stdout.decode() == f"dlcli {__version__}\n"


def test_a_bug_is_70_and_one_line(environment: dict[str, str], tmp_path: Path):
    code = (
        "import sys, dlcli.engines.dedupe as engine\nfrom dlcli.cli.app import main\n"
        "def run(config, *, report): raise KeyError('\\x1b[31mcell')\nengine.run = run\n"
        "sys.argv = ['dlcli', 'dedupe', 'questions']\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (70, b"")
    assert done.stderr.count(b"\n") == 1 and b"\x1b" not in done.stderr


def test_a_signal_that_a_library_turns_into_an_error_is_a_signal(environment: dict[str, str], tmp_path: Path):
    code = (
        "import os, sys, time, dlcli.cli.app as app\n"
        "def invoke(arguments):\n"
        "    try: os.kill(os.getpid(), 15); time.sleep(9)\n"
        "    except BaseException: raise AttributeError('half imported')\n"
        "app._invoke = invoke\nsys.argv = ['dlcli', 'dedupe', 'questions']\napp.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (143, b"")
    assert one_line(done.stderr, "dedupe") == "dlcli dedupe: terminated\n"


def test_debug_shows_where(dlcli: Run):
    assert b"Traceback" in dlcli("dedupe", "no-such.csv", "--debug").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_files_are_current(shell: str, dlcli: Run, environment: dict[str, str]):
    fresh = dlcli(env={**environment, "_DLCLI_COMPLETE": f"source_{shell}"})
    assert (ROOT / "completions" / f"dlcli.{shell}").read_bytes() == fresh.stdout != b""


@each_command
def test_completion_knows_the_options(case: Case, dlcli: Run, environment: dict[str, str]):
    asked = {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": f"dlcli {case.name} --"}
    assert b"--config" in dlcli(env={**environment, **asked, "_DLCLI_COMPLETE": "complete_fish"}).stdout.split()
