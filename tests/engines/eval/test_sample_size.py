"""`dlcli eval --detect`: how many images, from what was seen or for usual shares."""

from pathlib import Path

import numpy as np
import pytest

from dlcli.engines import eval
from dlcli.specs.eval import EvalConfig
from dlcli.support.errors import UsageError


def table(path: Path, right: np.ndarray) -> str:
    """Predictions of two classes, of which those are right; films of five."""
    rows = [f"{k % 2},{k % 2 if one else 1 - k % 2},{k // 5}" for k, one in enumerate(right)]
    path.write_text("truth,label,film\n" + "\n".join(rows) + "\n")
    return str(path)


@pytest.fixture
def two(tmp_path: Path) -> dict[str, str]:
    """1,000 examples: the new one alone is right on 60, the old one alone on 40, both on 850."""
    kind = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [60, 40, 850, 50]))
    new, old = np.isin(kind, (0, 2)), np.isin(kind, (1, 2))
    return {"model": table(tmp_path / "new.csv", new), "against": table(tmp_path / "old.csv", old)}


def test_the_number_is_from_how_often_both_differ(two: dict[str, str]):
    found = eval.run(EvalConfig(**two, detect=0.02)).needed
    assert (found.effect, found.n, found.disagreement.value) == (0.02, 1000, pytest.approx(0.1))
    shares = [one.share for one in found.shares]
    assert shares == pytest.approx([0.1, found.disagreement.low, found.disagreement.high])
    assert found.shares[0].images == pytest.approx(7.84888 * (0.1 - 0.0004) / 0.0004, abs=1)
    assert found.shares[1].images < found.shares[0].images < found.shares[2].images
    result = eval.run(EvalConfig(**two, detect=0.02))
    assert any("A difference of 2 points between networks of which only one is right on 10.0% [" in one for one in result.notes)


def test_groups_that_agree_take_more(two: dict[str, str], tmp_path: Path):
    """Where all five of a film are alike, a film tells what an example does: it takes five times as many, or a little more."""
    kind = np.random.default_rng(1).choice(3, p=[0.1, 0.1, 0.8], size=400).repeat(5)
    files = {"model": table(tmp_path / "a.csv", kind != 1), "against": table(tmp_path / "b.csv", kind != 0)}
    alone, grouped = (eval.run(EvalConfig(**files, detect=0.02, group=one)).needed for one in (None, "film"))
    assert grouped.shares[0].images / alone.shares[0].images == pytest.approx(5, rel=0.1)


def test_without_another_network_usual_shares_are_taken(two: dict[str, str]):
    result = eval.run(EvalConfig(model=two["model"], detect=0.015))
    assert [one.share for one in result.needed.shares] == [0.02, 0.05, 0.1, 0.2] and result.needed.disagreement is None
    images = [one.images for one in result.needed.shares]
    assert images == sorted(images) and all(0 < one.power < 1 for one in result.needed.shares)
    assert any(f"{images[1]:,} where that is 5%" in note for note in result.notes)
    assert [one.share for one in eval.run(EvalConfig(model=two["model"], detect=0.4)).needed.shares] == [0.4]


def test_what_cannot_be_is_refused(two: dict[str, str]):
    with pytest.raises(UsageError, match="not above 0"):
        EvalConfig(model=two["model"], detect=0)
    with pytest.raises(UsageError, match="`detect` and `summary` cannot be combined"):
        EvalConfig(model=two["model"], detect=0.01, summary=True)
    assert eval.run(EvalConfig(**two)).needed is None
