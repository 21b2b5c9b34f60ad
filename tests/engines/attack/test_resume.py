"""An interrupted `dlcli attack` continues from the images it had made, with bit for bit the same result."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlcli.engines import attack
from dlcli.engines.attack.crafting import AttackRun
from dlcli.engines.attack.resume import PartialResult
from dlcli.specs.attack import AttackConfig, AttackResult
from dlcli.support.errors import InputError, UsageError

CODE = """
from tests.engines.attack.test_networks import Fixed
def plain(classes): return Fixed(classes)
"""


class Interrupted(Exception):
    """The end of a run from outside."""


@pytest.fixture
def config(tmp_path: Path) -> AttackConfig:
    (tmp_path / "nets.py").write_text(CODE)
    return AttackConfig(
        model=f"{tmp_path / 'nets.py'}:plain",
        method=("pgd", "deepfool"),
        steps=4,
        eps=(0.05, 0.1),
        limit=30,
        device="cpu",
        output=tmp_path / "out",
    )


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> object:
    """Lets a number of sets be made and then interrupts the run; returns the names of the attacks that ran since."""
    made, real = [], AttackRun.make_images

    def set_up(most: int) -> list[str]:
        made.clear()

        def limited(self: AttackRun, attack: object, *rest: object) -> PartialResult:
            if len(made) == most:
                raise Interrupted
            made.append(attack.name)
            return real(self, attack, *rest)

        monkeypatch.setattr(AttackRun, "make_images", limited)
        return made

    return set_up


def same(one: AttackResult, other: AttackResult) -> bool:
    """Whether two results are equal but for seconds."""
    still = {"seconds_training": 0.0, "seconds_attack": 0.0}
    one, other = (
        replace(found, **still, by_method=tuple(replace(row, seconds=0.0) for row in found.by_method)) for found in (one, other)
    )
    return one == other


def arrays(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "adversarial.npz") as saved:
        return dict(saved)


def interrupt(config: AttackConfig, after: object, most: int) -> None:
    after(most)
    with pytest.raises(Interrupted):
        attack.run(config)


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_run_that_goes_on_gives_what_one_in_one_piece_gives(config: AttackConfig, after: object, most: int) -> None:
    whole = attack.run(replace(config, output=config.output.parent / "whole"))
    interrupt(config, after, most)
    assert len(list((config.output / "parts").glob("*.safetensors"))) == most if most else True
    made = after(100)
    resumed = attack.run(replace(config, resume=True))
    assert len(made) == 4 - most  # two methods at two eps
    assert same(resumed, whole)
    one, other = arrays(config.output), arrays(config.output.parent / "whole")
    assert one.keys() == other.keys() and all(one[key].tobytes() == other[key].tobytes() for key in one)
    assert not (config.output / "parts").exists() and not (config.output.parent / "whole" / "parts").exists()


def test_seconds_and_queries_are_those_of_the_first_run(config: AttackConfig, after: object) -> None:
    interrupt(config, after, 3)
    before = attack.run(replace(config, resume=True)) if after(100) is not None else None
    whole = attack.run(config)
    assert [one.queries for one in before.by_method] == [one.queries for one in whole.by_method]
    assert all(one.seconds > 0 for one in before.by_method)


def test_with_save_the_partial_results_are_beside_the_file(config: AttackConfig, after: object, tmp_path: Path) -> None:
    config = replace(config, output=None, save=tmp_path / "a.npz")
    interrupt(config, after, 2)
    assert len(list((tmp_path / "a.npz.parts").iterdir())) == 2
    made = after(100)
    attack.run(replace(config, resume=True))
    assert len(made) == 2 and (tmp_path / "a.npz").exists() and not (tmp_path / "a.npz.parts").exists()


def test_without_resume_everything_is_made_again(config: AttackConfig, after: object) -> None:
    interrupt(config, after, 2)
    made = after(100)
    attack.run(config)
    assert len(made) == 4


@pytest.mark.parametrize(
    ("options", "other"),
    [
        ({"seed": 1}, r"`seed=\d+`, not 1$"),
        ({"limit": 20}, r"`limit=\d+`, not 20$"),
        ({"steps": 5}, r"`steps=\d+`, not 5$"),
        ({"norm": "l2"}, "`norm=linf`, not l2"),
        ({"method": "pgd", "target": "next"}, "no `target`, not next"),
    ],
)
def test_partial_results_of_another_run_are_refused_in_one_line(
    config: AttackConfig, after: object, options: dict[str, object], other: str
) -> None:
    interrupt(config, after, 1)
    after(100)
    with pytest.raises(UsageError, match=rf"`resume`: .*parts was started with .*{other}") as caught:
        attack.run(replace(config, resume=True, **options))
    assert "\n" not in caught.value.message


def test_another_network_is_refused(config: AttackConfig, after: object, tmp_path: Path) -> None:
    interrupt(config, after, 1)
    after(100)
    (tmp_path / "nets.py").write_text(
        CODE.replace("return Fixed(classes)", "n = Fixed(classes); n.net[1].bias.data += 1; return n")
    )
    with pytest.raises(UsageError, match="was started with another network"):
        attack.run(replace(config, resume=True))


@pytest.mark.parametrize("damage", [b"", b"\x10\x00\x00\x00\x00\x00\x00\x00{}", None])
def test_a_damaged_file_is_named(config: AttackConfig, after: object, damage: bytes | None) -> None:
    interrupt(config, after, 1)
    after(100)
    (part,) = (config.output / "parts").iterdir()
    part.write_bytes(part.read_bytes()[:-7] if damage is None else damage)
    with pytest.raises(InputError, match=part.name):
        attack.run(replace(config, resume=True))


def test_resume_needs_a_place() -> None:
    with pytest.raises(UsageError, match="`resume` needs `output=DIR` or `save"):
        AttackConfig(resume=True)
