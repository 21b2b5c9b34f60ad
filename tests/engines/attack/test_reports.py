"""What a run of the attack reports besides its result."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlcli.engines import attack
from dlcli.engines.attack import crafting
from dlcli.specs.attack import AttackConfig
from dlcli.support.reporter import SILENT

QUICK = AttackConfig(epochs=1, limit=20, eps=(0.1,), device="cpu")


class Heard:
    """Keeps notes and warnings."""

    def __init__(self):
        self.lines = []
        self.task, self.stoppable, self.log = SILENT.task, SILENT.stoppable, SILENT.log

    def note(self, line):
        self.lines.append(line)

    warn = note


@pytest.fixture(autouse=True)
def cached(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "attack-reports"))


def test_members_without_an_ensemble_are_warned_of():
    heard = Heard()
    attack.run(replace(QUICK, members=3), report=heard)
    assert heard.lines[0] == "`members` has no effect without an ensemble: add `ensemble=RULE`"


@pytest.mark.parametrize(("limit", "told"), [(5, True), (20, False)])
def test_classes_that_a_limit_leaves_out_are_told(limit, told):
    notes = attack.run(replace(QUICK, limit=limit)).notes
    assert any(note.startswith("Only 5 of 10 classes are represented") for note in notes) == told


@pytest.mark.parametrize(("ensemble", "whose"), [({}, "the network"), ({"ensemble": "mean", "members": 2}, "the baseline")])
def test_a_page_calls_a_single_network_no_baseline(ensemble, whose, tmp_path: Path):
    attack.run(replace(QUICK, **ensemble, eps=(0.05, 0.1), method=("fgsm", "noise"), output=tmp_path / "out"))
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert f"predicted by {whose};" in page and f"last hidden layer of {whose}" in page.lower()
    assert ("baseline" in page) == bool(ensemble)


@pytest.mark.parametrize(
    ("after", "told"), [(0, "no part of the images was finished"), (1, "1 finished part of the images is kept")]
)
def test_an_interrupted_run_tells_how_to_continue(after, told, tmp_path: Path, monkeypatch):
    heard, made, original = Heard(), [], crafting.PartialResults.load_or_make

    def interrupted(self, name, settings, make):
        if len(made) == after:
            raise KeyboardInterrupt
        made.append(name)
        return original(self, name, settings, make)

    config = replace(QUICK, eps=(0.1, 0.2), output=tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(crafting.PartialResults, "load_or_make", interrupted)
        with pytest.raises(KeyboardInterrupt):
            attack.run(config, report=heard)
    assert told in heard.lines[-1]
    assert "`resume`" in heard.lines[-1]
    again = Heard()
    attack.run(replace(config, resume=True), report=again)
    assert any("starts over" in line for line in again.lines) == (after == 0)
