"""Files of repositories on the Hugging Face hub, or on the mirror that HF_ENDPOINT names."""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

from dlcli.core.models.fetched_files import FetchedFile, RemoteFile, fetched, unreachable
from dlcli.support.errors import DlcliError, InputError, MissingExtraError
from dlcli.support.reporter import Reporter

_SHA256_DIGITS = 64
_ABSENT = ("RepositoryNotFoundError", "GatedRepoError", "RevisionNotFoundError", "EntryNotFoundError", "HFValidationError")
"""Errors for what the hub does not have, or does not give; a subclass counts as well."""


def hub_file(what: str, repo: str, revision: str, name: str, folder: Path, extra: str, report: Reporter) -> FetchedFile:
    """A file of a repository, in `folder` of the cache.

    Args:
        what: The network as it was typed, for messages.
        repo: The repository, as OWNER/NAME.
        revision: Branch, tag or commit.
        name: Name of the file.
        folder: Its folder in the cache.
        extra: The extra that installs what downloads it.
        report: Receives notes and warnings.

    Returns:
        The file.

    Raises:
        InputError: If the hub has no such repository, revision or file.
        ResourceError: If the hub cannot be reached.
        MissingExtraError: If huggingface_hub is not installed.
    """
    try:
        import huggingface_hub
        from huggingface_hub.utils import disable_progress_bars
    except ImportError:
        raise MissingExtraError(what, extra) from None
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    disable_progress_bars()
    path = folder / name
    url = huggingface_hub.hf_hub_url(repo, name, revision=revision, endpoint=_endpoint())

    def download(temporary: Path) -> str:
        try:
            return _download(huggingface_hub, repo, revision, name, url, temporary)
        except Exception as error:  # the versions of huggingface_hub raise errors of different HTTP libraries
            raise _explained(error, what, path, url) from None

    return fetched(path, RemoteFile(url, download), what, report)


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _download(hub: Any, repo: str, revision: str, name: str, url: str, temporary: Path) -> str:
    """Write the file to `temporary`, from the hub's own cache if it is there; its SHA-256 where the hub publishes it."""
    known = hub.try_to_load_from_cache(repo, name, revision=revision)
    if isinstance(known, str):
        shutil.copyfile(known, temporary)
        return ""
    # Asked first, since it fails at once where a download tries again for half a minute.
    metadata = hub.get_hf_file_metadata(url, token=None)
    hub.hf_hub_download(repo, name, revision=metadata.commit_hash or revision, local_dir=temporary.parent, endpoint=_endpoint())
    tag = str(metadata.etag or "")
    return tag if len(tag) == _SHA256_DIGITS else ""  # small files have a hash of git


def _explained(error: Exception, what: str, path: Path, url: str) -> DlcliError:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "LocalEntryNotFoundError" not in kinds and kinds & set(_ABSENT):
        if "EntryNotFoundError" in kinds:
            return InputError(f"{what}: has no file {path.name} on the hub", hint="choose a repository that has it")
        hint = "check its name and revision; for one with restricted access, run: hf auth login"
        return InputError(f"{what}: the hub has no such repository or revision, or gives no access to it", hint=hint)
    return unreachable(what, path, url, error, "set HF_ENDPOINT to a mirror")
