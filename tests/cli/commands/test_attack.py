"""`dlcli attack` at a terminal: its table on 80 columns, and the names of methods that a shell completes."""

import io
import json
import re
import signal
import time
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.cli.commands.attack import COMMAND
from dlcli.cli.completers import completion
from dlcli.cli.output import draw
from dlcli.specs.attack import AttackResult, AttackRow, Classifier, Finding, MethodRow, ThreatKind, methods
from dlcli.specs.estimates import Difference, Estimate
from dlcli.specs.parse import floats
from tests import program
from tests.conftest import Run, Start


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def estimate(value: float, reach: float = 0.034) -> Estimate:
    return Estimate(value, max(0.0, value - reach), min(1.0, value + reach), 600)


def row(classifier: str, threat: str, value: float, eps: float = 0.25) -> AttackRow:
    gap = None if classifier in ("mean rule", "baseline") else Difference(-0.213, -0.262, -0.158, 600)
    figures = {name: estimate(value) for name in ("clean", "adversarial", "eight_bit")}
    names = {"classifier": Classifier(classifier), "threat": ThreatKind(threat)}
    return AttackRow(eps=eps, minus_mean=gap, upper_bound=threat == "transfer", **names, **figures)


def result(rows: list[AttackRow], members: int, method: str = "fgsm") -> AttackResult:
    alone = [
        MethodRow(eps=eps, method=name, adversarial=estimate(0.5), queries=1.0, seconds=1.0)
        for eps in dict.fromkeys(one.eps for one in rows)
        for name in method.split(",")
    ]
    return AttackResult(
        method=method,
        reference="baseline",
        norm="linf",
        eps=tuple(dict.fromkeys(one.eps for one in rows)),
        data="digits",
        model="digits-net",
        model_sha256="0" * 64,
        n_images=600,
        members=members,
        rule="max",
        threat_model="L",
        headline=rows[-1],
        rows=tuple(rows),
        by_method=tuple(alone),
        per_class=(),
        findings=(),
        trained=0,
        reused=0,
        seed=0,
        device="cpu",
        seconds_training=0.0,
        seconds_attack=0.0,
    )


def drawn(found: AttackResult, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of the table, without its title and notes."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    table = replace(COMMAND.table(found), answer="", title="", notes=())
    stream = Terminal()
    with redirect_stdout(stream):
        draw(table, stream)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    return [line for line in plain.splitlines() if line.strip()]


CLASSIFIERS = (
    "best member",
    "mean of members",
    "mean rule",
    "max rule",
    "vote rule",
    "mean-logit rule",
    "max-logit rule",
    "oracle",
)


@pytest.mark.parametrize("value", [0.0, 0.078, 0.564, 0.967, 1.0])
@pytest.mark.parametrize("eps", [(0.25,), (0.1, 0.25)])
def test_a_row_of_an_ensemble_is_a_line_on_80_columns(
    value: float, eps: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    threats = ("transfer", "white-box", "worst-case")
    rows = [row(name, threat, value, e) for e in eps for name in CLASSIFIERS for threat in threats]
    lines = drawn(result(rows, 10), monkeypatch)
    assert all(len(line) <= 80 for line in lines)
    # A head and a rule, then the classifiers at one eps or the asked one at each; last what -v adds.
    assert len(lines) == 2 + (len(CLASSIFIERS) if len(eps) == 1 else len(eps)) + 1


@pytest.mark.parametrize("eps", [(0.25,), (0.05, 0.25)])
@pytest.mark.parametrize("threat", ["white-box", "transfer"])
def test_a_row_of_a_single_network_is_a_line_on_80_columns(
    eps: tuple[float, ...], threat: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [replace(row("baseline", threat, 0.967, e), reached=estimate(0.321)) for e in eps]
    lines = drawn(result(rows, 0, "fgsm,hopskipjump"), monkeypatch)
    assert all(len(line) <= 80 for line in lines)
    assert any("32.1 [28.7, 35.5]" in line for line in lines)


def test_every_figure_of_an_ensemble_has_its_interval_with_verbose() -> None:
    rows = [row(name, threat, 0.564) for name in CLASSIFIERS for threat in ("transfer", "white-box", "worst-case")]
    table = COMMAND.table(result(rows, 10))
    assert table.columns == ("classifier", "worst case", "", "minus mean", "clean")
    shown = dict((one[0], one[1:]) for one in table.rows)["max-logit"]
    assert shown == ("56.4 [53.0, 59.8]", "█████▋", "-21.3 [-26.2, -15.8]", "56.4")
    (whole,) = table.details
    assert dict((one[0], one[1:]) for one in whole.rows)["max-logit"] == ("56.4 [53.0, 59.8]",) * 4
    # The asked classifier first, then the mean that all are compared with.
    assert [one[0] for one in table.rows[:2]] == ["oracle", "mean"] and table.strong == {0}


def test_what_no_attack_on_it_was_made_for_stands_with_verbose_only() -> None:
    rows = [row("baseline", "transfer", 0.5), row("mean rule", "worst-case", 0.4), row("max rule", "worst-case", 0.4)]
    table = COMMAND.table(result(rows, 2))
    assert [one[0] for one in table.rows] == ["max", "mean"]
    assert [one[0] for one in table.details[0].rows] == ["max", "mean", "surrogate"]


def test_a_transfer_figure_has_its_stamp() -> None:
    single = COMMAND.table(result([row("baseline", "transfer", 0.5)], 0))
    assert single.rows[0][0] == "transfer ≤" and "an upper bound" in single.answer


def test_an_eps_is_shown_as_it_was_typed() -> None:
    (eps,) = floats("8/255")
    found = result([row("baseline", "white-box", 0.5, eps)], 0)
    table = COMMAND.table(found)
    assert "eps 8/255" in table.answer and "eps 8/255" in table.title
    (small, large) = floats("4/255,8/255")
    table = COMMAND.table(result([row("baseline", "white-box", 0.5, one) for one in (small, large)], 0))
    assert [one[0] for one in table.rows] == ["4/255", "8/255"]


@pytest.mark.parametrize(
    ("value", "reach", "cell"),
    [
        (0.973, 0.004, "97.3 [96.9, 97.7]"),
        (1.0, 0.004, "100.0 [99.6, 100.0]"),
        (0.0, 0.004, "0.0 [0.0, 0.4]"),
        (0.973, 0.02, "97.3 [95.3, 99.3]"),
    ],
)
def test_every_cell_has_one_decimal(value: float, reach: float, cell: str) -> None:
    found = replace(row("baseline", "white-box", 0.5), adversarial=estimate(value, reach))
    assert COMMAND.table(result([found], 0)).rows[0][1] == cell


def test_a_difference_of_zero_has_no_minus_sign() -> None:
    found = replace(row("max rule", "worst-case", 0.5), minus_mean=Difference(-0.0001, -0.0004, 0.0002, 10_000))
    table = COMMAND.table(result([found], 2))
    assert table.rows[0][3] == "+0.0 [-0.04, +0.02]"
    assert "+0.0 points [-0.04, +0.02] to the mean, not established" in table.answer


def test_a_failed_check_says_what_to_do() -> None:
    finding = Finding(check="blind beats white-box", detail="at eps 0.5 pgd leaves more than square")
    table = COMMAND.table(replace(result([row("baseline", "white-box", 0.5)], 0), findings=(finding,)))
    assert "blind beats white-box" in table.notes[0] and "`method=auto`" in table.notes[1]
    assert table.answer.endswith("1 sanity check failed")


def completed(word: str, dlcli: Run, environment: dict[str, str]) -> list[str]:
    asked = {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": f"dlcli attack --method {word}"}
    asked["_DLCLI_COMPLETE"] = "complete_fish"
    return dlcli(env={**environment, **asked}).stdout.decode().split()


def test_a_shell_completes_each_name_of_a_list(dlcli: Run, environment: dict[str, str]) -> None:
    assert set(completed("", dlcli, environment)) == set(methods())
    assert completed("fg", dlcli, environment) == ["fgsm"]
    found = completed("fgsm,", dlcli, environment)
    assert set(found) == {f"fgsm,{name}" for name in methods() if name != "fgsm"}
    assert completed("fgsm,pgd,hop", dlcli, environment) == ["fgsm,pgd,hopskipjump"]
    assert completed("nothing,x", dlcli, environment) == []


@given(st.lists(st.sampled_from(methods()), unique=True, max_size=3), st.sampled_from(["", "a", "f", "fgsm", "zz"]))
def test_what_is_offered_continues_what_is_typed(before: list[str], last: str) -> None:
    typed = ",".join([*before, last])
    offered = completion("method", str, methods)(None, typed)
    assert all(one.startswith(typed) for one in offered)
    assert all(len(set(one.split(","))) == len(one.split(",")) for one in offered)
    assert {one.split(",")[-1] for one in offered} == {name for name in methods() if name.startswith(last)} - set(before)


STOPPED = ("attack", "--method", "pgd", "--eps", "0.05,0.1,0.15", "--limit", "100", "--epochs", "2", "--device", "cpu")


@pytest.fixture(scope="module")
def whole(environment: dict[str, str], preloaded: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The adversarial images and the rows of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    done = program.run(["dlcli", *STOPPED, "-o", "whole"], cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return folder / "whole" / "adversarial.npz", json.loads(done.stdout)["rows"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_stopped_from_outside_it_goes_on_to_the_same_images(
    number: int, whole: tuple[Path, Any], start_dlcli: Start, tmp_path: Path, dlcli: Run
) -> None:
    with start_dlcli(*STOPPED, "-o", "a", "-q") as process:
        while process.poll() is None and not list(tmp_path.glob("a/parts/[a-z]*.safetensors")):
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate()
    assert process.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    kept = {file.name for file in tmp_path.glob("a/parts/*.safetensors")}
    assert 1 <= len(kept) <= 3
    done = dlcli(*STOPPED, "-o", "a", "--resume")
    assert done.returncode == 0, done.stderr
    one, other = (np.load(path) for path in (tmp_path / "a" / "adversarial.npz", whole[0]))
    with one, other:
        assert set(one.files) == set(other.files) and all(np.array_equal(one[key], other[key]) for key in one.files)
    assert json.loads(done.stdout)["rows"] == whole[1]
