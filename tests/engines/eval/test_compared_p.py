"""The column `p` of a comparison: of all examples that of McNemar's exact test, of classes and slices corrected by Holm."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from dlcli.engines import eval
from dlcli.specs.comparison import compared_rows
from dlcli.specs.eval import EvalConfig


def table(path: Path, truth: np.ndarray, right: np.ndarray) -> str:
    rows = [f"{k},{y},{y if ok else (y + 1) % 3}" for k, (y, ok) in enumerate(zip(truth, right, strict=True))]
    path.write_text("\n".join(["index,truth,label", *rows]))
    return str(path)


def test_p_is_corrected_in_rows_of_parts_alone(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    truth, old, new = random.integers(0, 3, 300), random.random(300) < 0.7, random.random(300) < 0.85
    paths = [table(tmp_path / f"{name}.csv", truth, right) for name, right in (("new", new), ("old", old))]
    found = eval.run(EvalConfig(model=paths[0], against=paths[1])).comparison
    assert found is not None
    rows = compared_rows(found)

    def mcnemar(picked: np.ndarray) -> float:
        fixed, broken = int((new & ~old & picked).sum()), int((old & ~new & picked).sum())
        return float(binomtest(fixed, fixed + broken).pvalue)

    assert rows[0]["name"] == "all" and rows[0]["p"] == pytest.approx(mcnemar(truth >= 0))
    plain = {str(k): mcnemar(truth == k) for k in range(3)}
    holm, least = {}, 0.0
    for rank, name in enumerate(sorted(plain, key=plain.__getitem__)):
        holm[name] = least = max(least, min(1.0, (3 - rank) * plain[name]))
    assert {row["name"]: row["p"] for row in rows[1:]} == pytest.approx(holm)


def test_the_docs_say_which_p_is_corrected() -> None:
    text = (Path(__file__).parents[3] / "docs" / "decisions.md").read_text()
    assert "in their rows and parts `p` is corrected, in the row `all` it is that of the plain test" in " ".join(text.split())
