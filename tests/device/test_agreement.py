"""What dlcli computes on a device agrees with the CPU, with itself and with other ways to compute it.

`benchmarks/gpu.py` runs the same checks on larger sizes. DLCLI_TEST_DEVICE names the device.
"""

import pytest

from benchmarks._gpu.rows import Status
from benchmarks._gpu.schedule import Run
from benchmarks._gpu.sections import CHECKS, SECTIONS

# Only the libraries that sentence-transformers uses warn, about each other's releases.
pytestmark = [
    pytest.mark.device,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.mark.parametrize("part", CHECKS, ids=lambda part: part.__name__)
def test_agreement(setup, part):
    rows = list(part(setup))
    assert rows
    if all(row.status == Status.NOT_MEASURED for row in rows):
        pytest.skip(rows[0].note)
    assert {row.status for row in rows} <= {Status.PASSED, Status.NOT_ON_CPU}, rows


@pytest.mark.slow
@pytest.mark.parametrize("section", [one for one in SECTIONS if not one.checks], ids=lambda one: one.name)
def test_measurements_run(setup, section, capsys):
    run = Run(setup)
    assert run.sections([section], 120) == 0
    assert run.rows[section.name]
    assert len(capsys.readouterr().out.splitlines()) == len(run.rows[section.name])
