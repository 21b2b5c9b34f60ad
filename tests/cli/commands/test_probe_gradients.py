"""The notes that a terminal shows below the table of a probe."""

from pathlib import Path

from dlcli.cli.commands.probe_gradients import COMMAND, _cause, _lesioned
from dlcli.engines import probe_gradients
from dlcli.specs.estimates import Difference, Estimate
from dlcli.specs.probe_gradients import Cause, LesionRow, ProbeGradientsConfig

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


def test_a_network_with_dead_units_is_not_called_healthy(tmp_path: Path) -> None:
    (tmp_path / "deep.py").write_text(
        "from torch import nn\n\n\ndef deep():\n"
        "    layers = [part for _ in range(12) for part in (nn.Linear(64, 64), nn.ReLU())]\n"
        "    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))\n"
    )
    for model, healthy in ((f"{tmp_path}/deep.py:deep", False), ("mlp", True)):
        result = probe_gradients.run(ProbeGradientsConfig(model=model, limit=100, device="cpu"))
        assert result.rows[0].verdict == "healthy" and bool(result.causes) is not healthy
        said = COMMAND.answer(result)
        assert ("are healthy" in said) is healthy
        assert healthy or f"are smooth: autocorrelation {result.rows[0].acf1.value:.2f}" in said
        assert healthy or said.endswith(f"but training may be hindered by {result.causes[0].name}")
