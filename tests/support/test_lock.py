"""One run at a time, from other processes' point of view too."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dlcli.support.errors import LockedError
from dlcli.support.lock import cache_lock, locked

OTHER = """
import sys
from pathlib import Path
from dlcli.support.lock import locked
with locked(Path(sys.argv[1])): print('held')
"""


def other_process(path: Path) -> bool:
    done = subprocess.run([sys.executable, "-c", OTHER, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "LockedError" in done.stderr
    return done.stdout == "held\n"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_second_run_is_refused_and_nothing_stays(tmp_path: Path, kind: str):
    target = tmp_path / "out"
    if kind == "folder":
        target.mkdir()
    with locked(target):
        assert not other_process(target)
    assert other_process(target)
    assert list(tmp_path.rglob("*lock*")) == []


def test_a_run_that_has_created_its_folder_still_holds_the_lock(tmp_path: Path):
    target = tmp_path / "out"
    with locked(target):
        target.mkdir()
        assert not other_process(target)
    assert other_process(target)
    assert list(tmp_path.rglob("*lock*")) == []


def test_a_lock_beside_a_folder_that_a_killed_run_left_is_removed(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / ".out.lock").touch()
    with locked(tmp_path / "out"):
        pass
    assert list(tmp_path.rglob("*lock*")) == []


def test_message_names_the_place(tmp_path: Path):
    with locked(tmp_path), pytest.raises(LockedError, match=str(tmp_path)), locked(tmp_path):
        pass


def test_a_killed_holder_frees_the_lock(tmp_path: Path):
    code = OTHER.replace("print('held')", "(print('held', flush=True), input())")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "out")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert not other_process(tmp_path / "out")
        holder.kill()
    assert other_process(tmp_path / "out")


def test_folders_made_for_the_lock_go_with_it_unless_something_is_in_them(tmp_path: Path):
    target = tmp_path / "a" / "b" / "out"
    with locked(target):
        pass
    assert list(tmp_path.iterdir()) == []
    with locked(target):
        target.touch()
    assert target.exists()


def test_where_no_lock_can_be_made_the_output_is_named(tmp_path: Path):
    target = tmp_path / ("x" * 250)
    with pytest.raises(OSError, match="File name too long") as caught, locked(target):
        pass
    assert caught.value.filename == str(target)


class Listener:
    def __init__(self):
        self.heard = threading.Event()

    def note(self, text):
        assert text == "another run is at it; waiting for it"
        self.heard.set()


def test_a_cache_lock_waits_for_its_holder_with_a_note(tmp_path: Path):
    report, held = Listener(), threading.Event()
    file = tmp_path / "kept"

    def second():
        with cache_lock(file, "another run is at it", report):
            held.set()

    with cache_lock(file, "unused", report):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert report.heard.wait(20) and not held.is_set()
    waiting.join(20)
    assert held.is_set()


def test_a_cache_that_cannot_be_written_needs_no_lock(tmp_path: Path):
    (tmp_path / "file").touch()
    with cache_lock(tmp_path / "file" / "kept", "unused", Listener()):
        pass
