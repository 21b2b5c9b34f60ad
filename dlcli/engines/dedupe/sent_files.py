"""Files of the join for machines that do not share the disk: sent with the job, and written to a temporary folder there."""

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from dlcli.support.errors import ResourceError
from dlcli.support.memory import available_memory


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name; raises ResourceError if they do not fit in memory."""
    files = [file for file in folder.iterdir() if file.is_file()]
    size, available = sum(file.stat().st_size for file in files), available_memory()
    if available is not None and 2 * size > available:
        message = f"the vectors of the table take {size / 2**30:.1f} GB, which do not fit in memory to be sent to the nodes"
        raise ResourceError(message, hint="omit `cluster`, or raise `candidates`")
    return {file.name: file.read_bytes() for file in files}


def write_files(files: Mapping[str, bytes]) -> Path:
    """Write files to a temporary folder, which is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="dlcli-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
