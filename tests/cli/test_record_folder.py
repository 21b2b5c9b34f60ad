"""A run does not write over what it reads: the next one would compare a network with itself."""

from pathlib import Path

import numpy as np
import pytest

import dlcli
from dlcli.support.errors import UsageError
from tests.engines.eval.test_engine import READER, images


def _table(path: Path, seed: int) -> Path:
    random = np.random.default_rng(seed)
    path.parent.mkdir(exist_ok=True)
    rows = [f"{k}.jpg,{k % 3},{random.integers(3)}" for k in range(30)]
    path.write_text("\n".join(["file,truth,predicted", *rows]) + "\n")
    return path


def test_a_baseline_of_an_earlier_run_is_kept(tmp_path: Path):
    (tmp_path / "nets.py").write_text(READER)
    x = images([(0.8, 0.2), (0.3, 0.7), (0.6, 0.4)])
    np.savez(tmp_path / "data.npz", x_train=x[:2], y_train=[0, 1], x_test=x, y_test=[0, 1, 1])
    options = {"model": f"{tmp_path}/nets.py:Reader", "data": str(tmp_path / "data.npz"), "device": "cpu"}
    out = tmp_path / "out"
    dlcli.evaluate(**options, output=out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UsageError, match=r"predictions\.csv is read by this run, which would overwrite it"):
        dlcli.evaluate(**options, against=str(out / "predictions.csv"), output=out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    found = dlcli.evaluate(**options, against=str(out / "predictions.csv"), output=tmp_path / "other")
    assert found.comparison is not None and found.comparison.fixed == found.comparison.broken == 0


@pytest.mark.parametrize("linked", [False, True])
def test_a_file_that_is_read_is_not_written_without_a_record_either(tmp_path: Path, linked: bool):
    new, old = _table(tmp_path / "new.csv", 0), _table(tmp_path / "out" / "flips.csv", 1)
    before = old.read_bytes()
    if linked:
        (tmp_path / "link").symlink_to(tmp_path / "out")
        old = tmp_path / "link" / "flips.csv"
    with pytest.raises(UsageError, match=r"flips\.csv is read by this run, which would overwrite it"):
        dlcli.evaluate(str(new), against=str(old), output=tmp_path / "out")
    assert old.read_bytes() == before
