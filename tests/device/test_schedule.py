"""The run of `benchmarks/gpu.py`: what it prints and keeps, whatever happens to a part."""

import json
import time

import pytest
import torch

from benchmarks._gpu.rows import Row, Status, at_least, at_most, holds, markdown, measured, not_measured, not_on_cpu, record
from benchmarks._gpu.schedule import DeadlineError, Run, Section, deadline
from benchmarks._gpu.sections import SECTIONS
from benchmarks._gpu.setup import Setup
from tests.conftest import ROOT

SETUP = Setup(torch.device("cpu"), small=True)


def good(setup):
    yield at_most("error", 0.5, 1.0)


def bad(setup):
    yield at_most("error", float("nan"), 1.0)


def broken(setup):
    yield measured("before", 1.0, "s")
    raise RuntimeError("no\nluck")


def slow(setup):
    yield measured("quick", 1.0, "s")
    end = time.process_time() + 20
    while time.process_time() < end:
        pass
    yield measured("late", 1.0, "s")


def statuses(run, section):
    return [row.status for row in run.rows[section]]


@pytest.mark.parametrize(
    ("parts", "checks", "expected"),
    [((good,), True, 0), ((good, bad), True, 1), ((broken,), False, 1), ((good, slow), False, 0), ((good, slow), True, 1)],
)
def test_exit_status(parts, checks, expected):
    assert Run(SETUP).sections([Section("one", 1, parts, checks)], 0.5) == expected


def test_a_missed_target_or_a_missing_package_is_not_a_failure():
    def parts(setup):
        yield measured("speed", 1.0, "images/s", target=2.0)
        yield not_measured("peer", "it is not installed")
        yield not_on_cpu("card", "there is none")

    run = Run(SETUP)
    assert run.sections([Section("one", 1, (parts,))], 10) == 0
    assert statuses(run, "one") == [Status.MISSED, Status.NOT_MEASURED, Status.NOT_ON_CPU]


def test_the_run_goes_on_after_an_error_and_after_a_deadline(capsys):
    run = Run(SETUP)
    sections = [Section("first", 1, (broken, good)), Section("second", 1, (slow, good)), Section("third", 1, (good,))]
    assert run.sections(sections, 3) == 1
    assert statuses(run, "first") == [Status.MEASURED, Status.ERROR, Status.PASSED]
    assert run.rows["first"][1].note == "RuntimeError: no luck"
    assert statuses(run, "second") == [Status.MEASURED, Status.NOT_MEASURED, Status.NOT_MEASURED]
    assert run.rows["second"][1].note == "out of time"
    assert statuses(run, "third") == [Status.PASSED]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert all(line.endswith(f"[{SETUP.card}]") for line in lines)


def test_a_deadline_is_no_exception_that_a_part_could_swallow():
    with pytest.raises(DeadlineError), deadline(time.monotonic() + 0.05, time.monotonic):
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                pytest.fail("swallowed")


def test_rows_are_kept_when_the_run_is_interrupted(tmp_path):
    def interrupted(setup):
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        Run(SETUP, tmp_path / "out").sections([Section("one", 1, (good,)), Section("two", 1, (interrupted,))], 10)
    found = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert found["device"] == SETUP.card
    assert found["small"]
    assert found["versions"]["torch"]
    assert found["rows"] == [
        {"section": "one", "name": "error", "status": "passed", "value": 0.5, "unit": "", "asked": "<= 1", "note": ""}
    ]
    assert "| one | error | <= 1 | 0.5 | passed |" in (tmp_path / "out" / "gpu.md").read_text()


def test_json_has_no_nan():
    assert record(at_most("a", float("nan"), 1.0)) == {**record(at_most("a", 2.0, 1.0)), "value": None}
    assert record(not_measured("a", "why"))["value"] is None


def test_rows_compare_with_what_is_asked():
    assert at_most("a", 1.0, 1.0).status == at_least("a", 1.0, 1.0).status == Status.PASSED
    assert at_most("a", 1.1, 1.0).status == at_least("a", 0.9, 1.0).status == Status.FAILED
    assert at_least("a", float("nan"), 1.0).status == Status.FAILED
    assert holds("a", False, "x").status == Status.FAILED
    assert measured("a", 2.0, "s", target=2.0).status == Status.MET
    assert measured("a", 1.9, "s", target=2.0) == Row("a", Status.MISSED, 1.9, "s", ">= 2 s")


def test_the_table_names_the_card_and_keeps_its_columns():
    table = markdown("cuda:0 CARD", {"speed": [measured("a | b", 12345.6, "images/s"), not_measured("c", "why")]})
    assert table.splitlines() == [
        "| section | what | asked | cuda:0 CARD | result |",
        "|---|---|---|---|---|",
        "| speed | a / b | - | 12,346 images/s | measured |",
        "| speed | c | - | - | not measured |",
    ]


def test_the_plan_fits_into_its_seconds_and_is_explained():
    assert sum(section.seconds for section in SECTIONS) == 220
    page = (ROOT / "docs" / "gpu.md").read_text()
    for section in SECTIONS:
        assert f"### {section.name}" in page
