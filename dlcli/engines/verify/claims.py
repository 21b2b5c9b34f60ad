"""The record of a run as claims, and how each is compared with what is found."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from dlcli.core.proportion import proportion
from dlcli.engines.anytime import random_order
from dlcli.specs.estimates import Estimate
from dlcli.specs.verify import Check, Verdict
from dlcli.support.errors import InputError
from dlcli.support.fingerprints import SEAL
from dlcli.support.json_metadata import decode_json
from dlcli.support.plural import count
from dlcli.support.seeds import derive

RECORD = "run.json"
MISSING = "missing"
"""What is found in place of what is not there."""
SHARE = 10
"""One of this number of examples is done again."""
_NEAR = 1e-6
"""Figures that were summed in another order differ by less."""
_RARE = 0.001
"""A sample refuses a claim only if one that disagrees as much is rarer than this."""


@dataclass(frozen=True)
class RunRecord:
    """A record as it was read, and its folder."""

    folder: Path
    content: Mapping[str, Any]

    @property
    def directory(self) -> Path:
        """Where relative paths of the record begin: the folder in which the run was started, if what it read is there.

        Else the present one, as of a record that was copied to another machine with what it read.
        """
        here, started = Path.cwd(), Path(str(self.content.get("directory", "")))
        there = started.is_absolute() and started.is_dir() and all((started / name).exists() for name in self.content["inputs"])
        return started if there else here

    @property
    def command(self) -> str:
        """The subcommand of the run."""
        return str(self.content["command"])

    @property
    def result(self) -> Mapping[str, Any]:
        """The result that is claimed."""
        found: Mapping[str, Any] = self.content["result"]
        return found

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that have a value, as a configuration takes them; JSON has lists in place of tuples."""
        given = {name: value for name, value in self.content["config"].items() if value is not None}
        return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}

    def config(self, cls: type[Any], **changed: Any) -> Any:
        """The configuration of the run, without outputs; raises the kinds of errors of configurations."""
        known = {item.name for item in fields(cls)}
        given = {name: value for name, value in {**self.options, **NO_OUTPUTS}.items() if name in known}
        return cls(**{**given, **changed})


NO_OUTPUTS: dict[str, Any] = {"output": None, "save": None, "resume": False, "export": None, "log": (), "fail_under": None}
NO_OUTPUTS |= {"stop_when_sure": False, "time_limit": None, "explain": None}
"""The options of a run that is repeated which write, or end it early."""


def read_record(folder: Path) -> RunRecord:
    """Read run.json of a folder.

    Raises InputError if there is none, or if it is not a record with hashes.
    """
    path = folder.absolute() / RECORD
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {what}", hint="name the folder that a command wrote with `output`")
    if not path.is_file():
        hint = "name the folder that a command wrote with `output`"
        raise InputError(f"{folder}: holds no {RECORD}", hint=hint)
    content = decode_json(path.read_bytes(), str(path), "restore the file", finite=True)
    needed = ("command", "config", "inputs", "files", "code", "environment", "result", SEAL)
    missing = [name for name in needed if not isinstance(content, dict) or name not in content]
    if missing:
        raise InputError(f"{path}: has no '{missing[0]}'", hint="run the command again; earlier versions recorded no hashes")
    wrong = [name for name in ("config", "inputs", "files", "environment", "result") if not isinstance(content[name], dict)]
    if not wrong and not {"dlcli", "python", "packages"} <= content["environment"].keys():
        wrong = ["environment"]
    if wrong:
        raise InputError(f"{path}: '{wrong[0]}' is damaged", hint="restore the file, or run the command again")
    return RunRecord(folder.absolute(), content)


def a_tenth(n: int, seed: int) -> NDArray[np.int64]:
    """The numbers of a random tenth of n examples, at least one, in their order."""
    chosen = np.random.default_rng(derive(seed, "verify")).permutation(n)[: max(1, math.ceil(n / SHARE))]
    return np.sort(chosen)


def same(what: str, claimed: object, found: object) -> Check:
    """A claim that holds only if both are equal."""
    verdict = Verdict.SAME if claimed == found else Verdict.REFUSED
    return Check(what=what, claimed=str(claimed), found=str(found), verdict=verdict)


def number(what: str, claimed: float, found: float) -> Check:
    """A figure that is computed again from all that it is made of: equal, or equal but for rounding."""
    near = math.isclose(claimed, found, rel_tol=_NEAR, abs_tol=_NEAR)
    verdict = Verdict.SAME if claimed == found else Verdict.CLOSE if near else Verdict.REFUSED
    return Check(what=what, claimed=f"{claimed:.6g}", found=f"{found:.6g}", verdict=verdict)


def sampled_share(what: str, claimed: float, total: int, hits: int, sample: int) -> Check:
    """A share of a whole set, compared with a random sample of it: refused if such a sample would be very rare.

    Args:
        what: What it is of.
        claimed: The share of the record.
        total: Number of examples of the whole set.
        hits: Hits in the sample.
        sample: Number of examples of the sample.

    Returns:
        The check.
    """
    successes = round(claimed * total)
    spread = hypergeom(total, successes, sample)
    rare = min(spread.cdf(hits), spread.sf(hits - 1)) < _RARE / 2
    verdict = Verdict.REFUSED if rare else Verdict.CLOSE
    return Check(what=what, claimed=f"{claimed:.4f} of {total:,}", found=f"{hits} of {sample}", verdict=verdict)


def repeated_labels(
    what: str, claimed: Sequence[int], found: Sequence[int], logits: NDArray[np.floating[Any]], *, tie: float = 1e-4
) -> Check:
    """Labels that were predicted again: equal, or different only where both are tied but for rounding.

    Args:
        what: What they are of.
        claimed: The outputs that the record names, (m,); -1 where the network has none of that name.
        found: Those predicted here, (m,).
        logits: The logits here, (m, outputs).
        tie: Rounding may decide between two outputs whose logits differ by less.

    Returns:
        The check.
    """
    mine, rows = np.asarray(claimed, dtype=np.int64), np.arange(len(claimed))
    below = np.where(mine < 0, np.inf, logits.max(1) - logits[rows, mine])
    other = mine != np.asarray(found)
    verdict = Verdict.SAME if not other.any() else Verdict.CLOSE if (below[other] < tie).all() else Verdict.REFUSED
    return Check(what=what, claimed=count(len(other), "label"), found=f"{int((~other).sum()):,} of them equal", verdict=verdict)


def estimate(what: str, claimed: Mapping[str, Any], found: Estimate) -> Check:
    """A share that is computed again from all that it is made of, with the ends of its interval and the number of examples."""
    pairs = [(claimed[name], getattr(found, name)) for name in ("value", "low", "high", "n")]
    near = all(math.isclose(mine, theirs, rel_tol=_NEAR, abs_tol=_NEAR) for mine, theirs in pairs)
    verdict = Verdict.REFUSED if not near else Verdict.SAME if all(mine == theirs for mine, theirs in pairs) else Verdict.CLOSE
    shown = ["{:.6g} [{:.6g}, {:.6g}] of {}".format(*one) for one in zip(*pairs, strict=True)]
    return Check(what=what, claimed=shown[0], found=shown[1], verdict=verdict)


def whole_share(what: str, claimed: Mapping[str, Any]) -> Check:
    """That a share is one of its number of independent examples, and its interval that of such a share."""
    return estimate(what, claimed, proportion(round(claimed["value"] * claimed["n"]), claimed["n"]))


def examined(record: RunRecord, n: int) -> NDArray[np.int64]:
    """Which of the n examples of a set a run saw, in their order: all, unless it stopped early."""
    stopped = record.result.get("stopped")
    return np.sort(random_order(n, record.content["config"]["seed"])[: stopped["seen"] if stopped else n])


def skipped(what: str, why: str) -> Check:
    """A claim that is not checked."""
    return Check(what=what, claimed="", found=why, verdict=Verdict.SKIPPED)
