"""Files of published networks in the cache: downloaded once, with their SHA-256 beside them."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlcli.support.atomic import atomic_path, folder_of, write_text
from dlcli.support.errors import ResourceError
from dlcli.support.json_metadata import read_json_metadata
from dlcli.support.lock import cache_lock
from dlcli.support.reporter import Reporter


@dataclass(frozen=True)
class FetchedFile:
    """A file in the cache, and its SHA-256."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    Attributes:
        url: Where it is, for messages and the record.
        download: Writes it to a path and returns what its SHA-256 must begin with, "" if that is not published.
        expected: What its SHA-256 must begin with, where that is known before.
    """

    url: str
    download: Callable[[Path], str]
    expected: str = ""


def fetched(path: Path, remote: RemoteFile, what: str, report: Reporter) -> FetchedFile:
    """The file `path` of the cache, downloaded if it is missing or damaged; a file that was put there by hand is used too.

    Args:
        path: Its place in the cache.
        remote: Where it is published.
        what: Name of the network, for messages.
        report: Receives notes and warnings.

    Returns:
        The file.

    Raises:
        InputError: If the hub has no such file.
        ResourceError: If it can be neither read from the cache nor downloaded.
    """
    with cache_lock(path, f"another run is downloading {what}", report):
        return _from_cache(path, remote, report) or _downloaded(path, remote, what, report)


def _from_cache(path: Path, remote: RemoteFile, report: Reporter) -> FetchedFile | None:
    if not path.is_file():
        return None
    record, digest = _record(path), _sha256(path)
    expected = str(read_json_metadata(record).get("sha256")) if record.is_file() else remote.expected
    if not digest.startswith(expected):
        report.warn(f"{path}: is damaged (SHA-256 differs), so it is downloaded again")
        return None
    if not record.is_file():
        _write_record(path, digest, "put there by hand")
    return FetchedFile(path, digest)


def _downloaded(path: Path, remote: RemoteFile, what: str, report: Reporter) -> FetchedFile:
    report.note(f"downloading {what} from {remote.url} to {path}")
    with folder_of(path), tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
        temporary = Path(folder) / path.name
        expected = remote.download(temporary) or remote.expected
        digest = _sha256(temporary)
        if not digest.startswith(expected):
            message = f"{what}: {remote.url} was received damaged (SHA-256 {digest[:12]}, published {expected[:12]})"
            raise ResourceError(message, hint="try again")
        with atomic_path(path) as final:
            os.replace(temporary, final)
    _write_record(path, digest, remote.url)
    return FetchedFile(path, digest)


def unreachable(what: str, path: Path, url: str, reason: object, more: str) -> ResourceError:
    """The error for a file that is neither in the cache nor can be downloaded.

    Args:
        what: Name of the network.
        path: Where the file belongs in the cache.
        url: Where it is published.
        reason: Why it cannot be downloaded.
        more: What else can be done.

    Returns:
        The error, to be raised.
    """
    line = (str(reason).strip() or type(reason).__name__).partition("\n")[0].rstrip(":. ")
    message = f"{what}: {path.name} is not in {path.parent} and cannot be downloaded ({line})"
    return ResourceError(message, hint=f"put {url} there as {path.name}, or {more}")


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256.json")


def _write_record(path: Path, digest: str, source: str) -> None:
    write_text(_record(path), json.dumps({"sha256": digest, "source": source}) + "\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
