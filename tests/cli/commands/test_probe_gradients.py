"""The notes that a terminal shows below the table of a probe."""

from dlcli.cli.commands.probe_gradients import _cause, _lesioned
from dlcli.specs.estimates import Difference, Estimate
from dlcli.specs.probe_gradients import Cause, LesionRow

WHOLE = LesionRow(block="", kind="", accuracy=Estimate(0.9, 0.8, 0.95, 100), change=None)


def without(block: str, value: float, low: float, high: float, p: float) -> LesionRow:
    return LesionRow(block=block, kind="skip", accuracy=WHOLE.accuracy, change=Difference(value, low, high, 100), p=p)


def test_blocks_are_named_where_a_loss_is_established():
    (line,) = _lesioned((WHOLE, without("layer1.0", -0.3, -0.4, -0.2, 0.001), without("layer1.1", -0.02, -0.03, -0.01, 0.06)))
    assert "Established losses: 1 of 2 skips (McNemar's exact test by Holm)" in line
    assert line.endswith("the largest without layer1.0 (-30.0 points [-40.0, -20.0]).")


def test_no_block_is_blamed_where_none_is():
    (line,) = _lesioned((WHOLE, without("layer1.0", 0.0, -0.01, 0.01, 1.0)))
    assert "layer1.0" not in line and "No loss of accuracy is established" in line


def test_a_cause_lists_its_suggestions() -> None:
    assert _cause(Cause(name="a", evidence="b", suggestions=("dlcli c", "d"))) == "a: b. To try:\n    dlcli c\nd"
    assert _cause(Cause(name="a", evidence="b", suggestions=())) == "a: b."
