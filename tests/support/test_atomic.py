"""Whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from dlcli.support.atomic import atomic_path, atomic_paths, write_text


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_success_makes_folders_and_replaces(tmp_path: Path):
    path = tmp_path / "new" / "a.txt"
    write_text(path, "one")
    write_text(path, "two")
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


def test_mode_follows_umask_or_the_old_file(tmp_path: Path):
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    (tmp_path / "a").chmod(0o604)
    write_text(tmp_path / "a", "y")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o604


def test_a_link_stays_a_link(tmp_path: Path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"


def test_a_device_is_written_directly():
    write_text(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()


def test_the_ending_stays_for_writers_that_look_at_it(tmp_path: Path):
    with atomic_path(tmp_path / "a.npz") as temporary:
        assert temporary.suffix == ".npz" and temporary.parent == tmp_path


def test_files_that_go_together_come_together(tmp_path: Path):
    both = tmp_path / "new" / "a.bin", tmp_path / "b.json"
    both[1].write_text("old")
    with pytest.raises(RuntimeError), atomic_paths(*both) as temporaries:
        for temporary in temporaries:
            temporary.write_text("half")
        raise RuntimeError
    assert not both[0].exists() and both[1].read_text() == "old" and len(list(tmp_path.iterdir())) == 1
    with atomic_paths(*both) as temporaries:
        for temporary in temporaries:
            temporary.write_text("whole")
    assert [path.read_text() for path in both] == ["whole", "whole"]


def test_folders_made_for_what_failed_go_again(tmp_path: Path):
    """All that were made, and none that was there or got something else in it."""
    (tmp_path / "old").mkdir()
    with pytest.raises(RuntimeError), atomic_paths(tmp_path / "a" / "b" / "c.bin", tmp_path / "old" / "d.bin"):
        assert (tmp_path / "a" / "b").is_dir()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [tmp_path / "old"]
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a" / "b" / "c.bin"):
        (tmp_path / "a" / "note").touch()
        raise RuntimeError
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a", tmp_path / "a" / "note", tmp_path / "old"]


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path):
    both = tmp_path / "a.bin", tmp_path / "b.bin"
    with pytest.raises(OSError, match="full") as caught, atomic_paths(*both) as (_, second):
        raise OSError(28, "full", str(second))
    assert caught.value.filename == str(both[1])
    with pytest.raises(OSError, match="full") as caught, atomic_path(both[0]):
        raise OSError(28, "full")
    assert caught.value.filename == str(both[0])
    with pytest.raises(FileNotFoundError) as caught, atomic_path(both[0]):
        (tmp_path / "other").read_text()
    assert caught.value.filename == str(tmp_path / "other")


def test_files_of_killed_writers_are_removed_and_those_of_running_ones_kept(tmp_path: Path):
    import subprocess
    import sys

    from dlcli.support.atomic import remove_stale

    (tmp_path / "members").mkdir()
    code = (
        "import os, sys, pathlib\nfrom dlcli.support.atomic import atomic_path\n"
        "with atomic_path(pathlib.Path(sys.argv[1])) as one: print(one, flush=True); os.kill(os.getpid(), 9)"
    )
    left = []
    for name in ("a.csv", "members/w.safetensors"):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], capture_output=True, text=True)
        left.append(Path(done.stdout.strip()))
    keep = [tmp_path / ".a.dlcli-notes.csv", tmp_path / ".hidden.csv", tmp_path / "a.dlcli-1-00000000.csv"]
    for path in keep:
        path.touch()
    assert all(path.exists() for path in left)
    with atomic_path(tmp_path / "b.csv") as mine:
        remove_stale(tmp_path / "a.csv")
        assert not left[0].exists() and left[1].exists()
        remove_stale(tmp_path)
        assert not left[1].exists() and mine.exists() and all(path.exists() for path in keep)
        mine.write_text("x")


def test_a_temporary_file_of_a_temporary_file_is_removed_too(tmp_path: Path):
    import subprocess
    import sys

    from dlcli.support.atomic import remove_stale

    code = (
        "import os, sys, pathlib\nfrom dlcli.support.atomic import atomic_path\n"
        "with atomic_path(pathlib.Path(sys.argv[1])) as one:\n"
        "    with atomic_path(one) as two: os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "clips.safetensors")], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    remove_stale(tmp_path / "clips.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_the_umask_decides_the_mode_of_new_files_and_is_never_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    old = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("the umask was changed"))
        write_text(tmp_path / "a.txt", "x")
        assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
    finally:
        monkeypatch.undo()
        os.umask(old)
