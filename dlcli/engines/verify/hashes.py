"""What a record claims about itself, its files, its inputs, the program and the environment."""

from collections.abc import Iterator
from pathlib import Path

from dlcli.engines.verify.claims import MISSING, RECORD, RunRecord, same, skipped
from dlcli.specs.verify import Check, Verdict
from dlcli.support.fingerprints import SEAL, code_sha256, file_sha256, files_in, path_sha256, seal
from dlcli.support.record import environment

BESIDE = "other files in the folder"
"""What the check of files is called that are no part of the record."""
OF_INPUT = "input "
"""How the check of something that the run read begins."""


def hashes(record: RunRecord) -> Iterator[Check]:
    """All checks that need no computation."""
    content = record.content
    yield same("the record itself", content[SEAL], seal(content))
    yield same("code of dlcli", content["code"], code_sha256())
    for name, digest in content["inputs"].items():
        path = Path(name)
        yield same(f"{OF_INPUT}{name}", digest, path_sha256(path) if path.exists() else MISSING)
    for name, digest in content["files"].items():
        path = record.folder / name
        yield same(f"file {name}", digest, file_sha256(path) if path.is_file() else MISSING)
    if beside := _beside(record):
        yield skipped(BESIDE, ", ".join(beside))
    if "seed" in content["config"] and "seed" in record.result:
        yield same("seed", content["config"]["seed"], record.result["seed"])
    yield from _versions(record)


def _beside(record: RunRecord) -> list[str]:
    """The files and folders beside the record that are no part of it, and what else is in the folders of its files."""
    listed = {RECORD, *record.content["files"]}
    own = {Path(name).parts[0] for name in listed}
    names = []
    for path in sorted(record.folder.iterdir()):
        if not path.is_dir() or path.name not in own:
            names += [] if path.name.startswith(".") else [f"{path.name}/" if path.is_dir() else path.name]
        else:
            names += [one.relative_to(record.folder).as_posix() for one in files_in(path)]
    return [name for name in names if name not in listed]


def _versions(record: RunRecord) -> Iterator[Check]:
    """The versions of packages: another one does not refuse a claim, but figures are then compared by their intervals."""
    claimed, here = record.content["environment"], environment()
    yield same("version of dlcli", claimed["dlcli"], here["dlcli"])
    known = {"python": here["python"], **here["packages"]}
    for name, version in {"python": claimed["python"], **claimed["packages"]}.items():
        found = known.get(name)
        if found is not None and found != version:
            yield Check(what=f"version of {name}", claimed=version, found=found, verdict=Verdict.OTHER)
