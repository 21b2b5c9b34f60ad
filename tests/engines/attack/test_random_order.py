"""Attacks that stop once the gate is decided give the images that they attacked as a whole run would."""

from pathlib import Path

import numpy as np
import pytest

from dlcli.cli.commands.attack import COMMAND as ATTACK
from dlcli.core.anytime import anytime_share
from dlcli.engines import attack
from dlcli.specs.attack import AttackConfig, AttackResult, Classifier
from dlcli.specs.figures import percent
from dlcli.support.errors import UsageError


@pytest.fixture(autouse=True)
def cached(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "random-order"))


def images(folder: Path) -> dict[bytes, tuple[bytes, int]]:
    """By the bytes of the clean image: the adversarial image and its class."""
    with np.load(folder / "adversarial.npz") as arrays:
        stored = zip(arrays["x_clean"], arrays["x_0.1"], arrays["predicted_0.1"], strict=True)
        return {clean.tobytes(): (changed.tobytes(), int(label)) for clean, changed, label in stored}


@pytest.mark.parametrize("ensemble", [None, "mean"])
def test_images_are_attacked_as_in_a_whole_run(ensemble: str | None, tmp_path: Path) -> None:
    options = {"method": "pgd,noise", "steps": 4, "eps": "0.05,0.1", "epochs": 2, "limit": 100, "device": "cpu"}
    options |= {"ensemble": ensemble, "members": 2} if ensemble else {}
    whole = attack.run(AttackConfig(**options, output=tmp_path / "whole"))
    some = attack.run(AttackConfig(**options, output=tmp_path / "some", fail_under="robust=0.98", stop_when_sure=True))
    assert isinstance(whole, AttackResult) and isinstance(some, AttackResult)
    stopped = some.stopped
    assert whole.stopped is None and stopped is not None
    assert stopped.seen == some.n_images < stopped.total == whole.n_images == 100
    assert stopped.fails is True and "below 0.98" in some.failed
    assert any("sanity checks saw only" in note for note in some.notes)
    assert stopped.share.low <= whole.headline.adversarial.value <= stopped.share.high
    assert f"{percent(stopped.share, '%')} of 100 images right, by {stopped.seen} of them" in ATTACK.answer(some)
    assert "of 100 images right, clean" in ATTACK.answer(whole)
    assert some.headline.adversarial == stopped.share
    assert ATTACK.table(some).title.endswith(f"; of all 100 images, by {stopped.seen} of them")
    assert percent(stopped.share) in [cell for row in ATTACK.table(some).rows for cell in row]
    for here, there in zip(some.rows, whole.rows, strict=True):
        if here.classifier is not Classifier.MEAN_OF_MEMBERS:
            for name in ("clean", "adversarial", "eight_bit"):  # of the whole set, which the run of all images knows
                inside = getattr(here, name)
                assert inside.low <= getattr(there, name).value <= inside.high
                assert inside == anytime_share(round(inside.value * stopped.seen), stopped.seen, 100)
    assert [row.threat for row in some.rows] == [row.threat for row in whole.rows]
    found, expected = images(tmp_path / "some"), images(tmp_path / "whole")
    assert len(found) == stopped.seen
    assert found.items() <= expected.items()


@pytest.mark.parametrize(("steps", "converged"), [(5, False), (20, True)])
def test_a_pass_is_as_trusted_as_that_of_a_whole_run(steps: int, *, converged: bool) -> None:
    options = {"method": "bim", "steps": steps, "step_size": 0.02, "eps": "0.1", "epochs": 2, "limit": 300, "device": "cpu"}
    whole = attack.run(AttackConfig(**options, fail_under="robust=0.2"))
    some = attack.run(AttackConfig(**options, fail_under="robust=0.2", stop_when_sure=True))
    assert isinstance(whole, AttackResult) and isinstance(some, AttackResult)
    assert some.stopped is not None and some.stopped.fails is False
    assert [bool(one.failed) for one in (whole, some)] == [not converged] * 2


def test_a_decided_failure_is_a_failure() -> None:
    options = {"method": "fgsm", "epochs": 1, "limit": 200, "device": "cpu", "stop_when_sure": True}
    result = attack.run(AttackConfig(**options, fail_under="clean=0.999"))
    assert isinstance(result, AttackResult) and result.stopped is not None
    assert result.failed and result.stopped.fails and result.stopped.metric == "clean accuracy"
    row, stopped = result.headline, result.stopped
    assert row.clean == stopped.share
    assert f"{percent(row.adversarial, '%')} of 200 images right, by {stopped.seen} of them" in ATTACK.answer(result)
    assert row.adversarial == anytime_share(round(row.adversarial.value * stopped.seen), stopped.seen, 200)


def test_options_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs `fail_under`"):
        AttackConfig(stop_when_sure=True)
    with pytest.raises(UsageError, match="resume"):
        AttackConfig(time_limit="5s", resume=True, output=tmp_path)
    with pytest.raises(UsageError, match="does not apply"):
        AttackConfig(time_limit="5s", method="corruptions")
