"""Check the record of a run: its hashes, and a random tenth of the work that it claims; the engine of `dlcli verify`."""

from collections.abc import Iterator, Sequence
from contextlib import chdir, nullcontext
from pathlib import Path

from dlcli.core.model_io.calibration_file import CALIBRATION
from dlcli.engines.trusted import only_named_code
from dlcli.engines.verify.agreement import agreement
from dlcli.engines.verify.claims import MISSING, SHARE, RunRecord, read_record
from dlcli.engines.verify.hashes import BESIDE, OF_INPUT, hashes
from dlcli.engines.verify.repeats import description, repeat
from dlcli.specs.verify import Check, Verdict, VerifyConfig, VerifyResult
from dlcli.support.errors import DlcliError
from dlcli.support.fingerprints import path_sha256
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter


@only_named_code
def run(config: VerifyConfig, *, report: Reporter = SILENT) -> VerifyResult:
    """Check a record.

    Where hashes differ nothing is repeated: what would be opened is not what the run read or wrote.

    Args:
        config: The options.
        report: Receives progress.

    Returns:
        A row for each claim; `failed` says what is refused.

    Raises:
        DlcliError: If the folder holds no record with hashes.
    """
    record = read_record(config.folder)
    directory = record.directory
    with chdir(directory) if directory != Path.cwd() else nullcontext():
        return _checked(record, config, report)


def _checked(record: RunRecord, config: VerifyConfig, report: Reporter) -> VerifyResult:
    checks = list(hashes(record))
    repeated = "nothing was repeated, since hashes differ"
    if not any(one.verdict is Verdict.REFUSED for one in checks):
        report.note(f"hashes hold; one of {SHARE} examples is done again, seed {config.seed}")
        again = _held(repeat(record, config))
        checks += [*_held(agreement(record)), *again]
        done = [one for one in again if one.verdict is not Verdict.SKIPPED]
        repeated = f"{description(record)}, seed {config.seed}" if done else "nothing was repeated, only hashes were compared"
    refused = [one for one in checks if one.verdict is Verdict.REFUSED]
    failed = f"{count(len(refused), 'claim')} not as recorded: {', '.join(one.what for one in refused[:5])}" if refused else ""
    return VerifyResult(
        folder=str(config.folder),
        of_command=record.command,
        checks=tuple(checks),
        repeated=repeated,
        seed=config.seed,
        notes=(f"Repeated: {repeated}.", *_beside_note(checks)),
        failed=failed + _missing(record, refused) + _calibrated(refused),
    )


def _beside_note(checks: Sequence[Check]) -> tuple[str, ...]:
    """Which files in the folder are no part of the record, so that nothing of it holds for them."""
    names = next((one.found.split(", ") for one in checks if one.what == BESIDE), None)
    if names is None:
        return ()
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8:,} more" if len(names) > 8 else "")
    return (f"Not checked, since the record does not list them: {shown}.",)


def _missing(record: RunRecord, refused: Sequence[Check]) -> str:
    """Where a file that the run read was looked for, and what to do, as the end of a sentence; empty if all are there."""
    gone = (one.what.removeprefix(OF_INPUT) for one in refused if one.what.startswith(OF_INPUT) and one.found == MISSING)
    name = next((name for name in gone if not Path(name).is_absolute()), None)
    if name is None:
        return ""
    places = dict.fromkeys([str(record.content.get("directory", Path.cwd())), str(Path.cwd())])
    return f"; {name} is not in {' nor in '.join(places)} (verify the run from the folder that has it)"


def _calibrated(refused: Sequence[Check]) -> str:
    """Which network that the run read differs only by a calibration that it got later, as the end of a sentence."""
    inputs = [one for one in refused if one.what.startswith(OF_INPUT) and one.found != MISSING]
    paths = {one.what.removeprefix(OF_INPUT): one.claimed for one in inputs}
    names = (name for name in paths if (Path(name) / CALIBRATION).is_file())
    name = next((name for name in names if path_sha256(Path(name), without=CALIBRATION) == paths[name]), None)
    return (
        ""
        if name is None
        else f"; {name} differs only by {CALIBRATION}, written after the run (move it away to verify the run)"
    )


def _held(checks: Iterator[Check]) -> list[Check]:
    """The checks of what a record names; what cannot be read or opened any more is refused."""
    found: list[Check] = []
    try:
        found.extend(checks)
    except (DlcliError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        what = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
        found.append(Check(what="what the record names", claimed="can be repeated", found=what, verdict=Verdict.REFUSED))
    return found


def plan(config: VerifyConfig) -> list[str]:
    """What `run` would do, one line per step."""
    record = read_record(config.folder)
    inputs, files = (len(record.content[name]) for name in ("inputs", "files"))
    return [
        f"read the record of dlcli {record.command} in {config.folder}",
        f"compare the SHA-256 of the record, of the program, of {count(inputs, 'input')} and {count(files, 'file')}",
        f"do one of {SHARE} examples again, seed {config.seed}",
    ]
