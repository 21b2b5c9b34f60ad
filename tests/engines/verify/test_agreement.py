"""What a record says twice: options as words of a command line, and results by command."""

import json
import shlex
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

import dlcli.specs
from dlcli.cli import app, execute
from dlcli.cli.output import plain
from dlcli.engines.verify.agreement import CONFIGS, RESULTS
from dlcli.engines.verify.claims import NO_OUTPUTS, RunRecord
from dlcli.specs.command_line import normal_form
from dlcli.specs.result import Result


def test_all_results_of_a_command_are_known() -> None:
    for module in iter_modules(dlcli.specs.__path__):
        import_module(f"dlcli.specs.{module.name}")
    kinds = [kind for kind in Result.__subclasses__() if kind.__module__.startswith("dlcli.specs")]
    assert {command: {kind for kind in kinds if command == kind.COMMAND} for command in CONFIGS} == {
        command: set(found) for command, found in RESULTS.items()
    }


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("eval run", "eval run --data digits"),
        ("eval --model run --data=test", "eval run --data test"),
        ("eval -q run -oreport --limit 5", "eval run --data digits --limit 5 --output report"),
        ("eval run -v --slices a --slices b", "eval run --data digits --slices a --slices b"),
        ("eval --fail-under top-1=1/2 -- -run", "eval --model -run --data digits --fail-under top-1=0.5"),
        ("eval run --diagnose input --size 8", "eval run --data digits --size 8 --diagnose-input"),
        ("eval run --abstain 0.25 --detect .02", "eval run --data digits --detect 0.02 --abstain 0.25"),
        ("eval run --stop-when-sure --fail-under top-1=.5 --for 2m", ""),
        ("eval - --delimiter ';' --no-header", ""),
        ("train --versus '--lr 0.1' --seeds 5", ""),
        ("train --lr 0.1,1e-3 --weight-decay 0 --batch-size 5,64 --seeds 3", ""),
        ("train --early-stop loss --dev 0.2 --adversarial fgsm:8/255 --normalise 0.5/0.5", ""),
        ("train --semi fixmatch --labels 40 --pretrain simclr", ""),
        ("train --data q.csv --task pairs --columns a,b,same", ""),
        ("attack --method=pgd,fgsm --eps=0:16/255:8/255 --norm l2 --fail-under robust=0.5", ""),
        ("attack --method corruptions --corruptions fog,contrast", ""),
        ("attack --for 20s --model run", ""),
        ("ensemble --model a --model b --rule max", ""),
        ("ensemble --members 3 --adversarial pgd:0.1:0.5 --bootstrap 0.2", ""),
        ("probe-gradients --model resnet-8 --wrt layer:fc", ""),
    ],
)
def test_options_of_a_record_are_those_that_were_typed(typed: str, normal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they were typed, the command line reads the words of the record as the same ones, and so does verify as JSON."""
    found: list[Any] = []
    monkeypatch.setattr(execute, "execute", lambda command, config, run: found.append(config) or 0)

    def read(words: list[str]) -> list[str]:
        assert app._invoke(words) == 0
        return normal_form(words[0], plain(found[-1], words[0]))

    words = read(shlex.split(typed))
    assert read(words) == words and (not normal or shlex.join(words) == normal)
    for item in fields(found[0]):
        assert getattr(found[0], item.name) == getattr(found[1], item.name), item.name
    values = json.loads(json.dumps(plain(found[0], words[0])))
    again = RunRecord(Path(), {"config": values}).config(CONFIGS[words[0]])
    for item in fields(again):
        assert item.name in NO_OUTPUTS or getattr(again, item.name) == getattr(found[0], item.name), item.name
