"""How much memory and disk there is, and what is said when it does not suffice."""

import os

import pytest

from dlcli.support import memory
from dlcli.support.errors import ResourceError


@pytest.fixture(autouse=True)
def no_container(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "cgroup")


@pytest.mark.parametrize(
    ("limit", "used", "expected"), [("1000\n", "700\n", 350), ("1000\n", "1200\n", 0), ("max\n", "7\n", None), ("", "", None)]
)
def test_a_container_may_leave_less(tmp_path, monkeypatch, limit, used, expected):
    for name, text in (("memory.max", limit), ("memory.current", used), ("memory.stat", "anon 9\ninactive_file 50\n")):
        (tmp_path / "cgroup").mkdir(exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(text)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemAvailable: 77 kB\n")
    assert memory.available_memory() == (77 * 1024 if expected is None else expected)


def test_what_the_system_says_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:      77 kB\nBuffers: 3 kB\n")
    assert memory.available_memory() == 77 * 1024


@pytest.mark.parametrize("content", [None, "MemTotal: 100 kB\n", "MemAvailable:\n", "MemAvailable: many kB\n"])
def test_without_that_line_it_is_the_machines(tmp_path, monkeypatch, content):
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    if content is not None:
        (tmp_path / "meminfo").write_text(content)
    assert memory.available_memory() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_a_system_that_tells_nothing_forbids_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "absent")
    monkeypatch.setattr(os, "sysconf", lambda name: int("unknown"))
    assert memory.available_memory() is None
    memory.check_memory(10**30, "everything")
    assert memory.fits(10**30)


def test_too_much_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2_500_000)
    memory.check_memory(2_500_000, "x")
    with pytest.raises(ResourceError, match=r"^x needs 2.5 MB of memory, and 2.5 MB are available$") as caught:
        memory.check_memory(2_500_001, "x", "take less")
    assert caught.value.hint == "take less"


def test_what_is_refused_does_not_fit(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2_500_000)
    assert [memory.fits(count) for count in (0, 2_500_000, 2_500_001)] == [True, True, False]


def test_a_disk_that_is_too_small_is_named(tmp_path, monkeypatch):
    memory.check_disk(tmp_path, 0, "nothing")
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    with pytest.raises(ResourceError, match=r"pictures need .* there, and .* are free$") as caught:
        memory.check_disk(tmp_path, free + 10**15, "pictures", "take less")
    assert caught.value.message.startswith(f"{tmp_path}: ")
    assert caught.value.hint == "take less"
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda folder: _Usage(7))
    memory.check_disk(tmp_path, 7, "as much as there is")
    with pytest.raises(ResourceError, match=r"more need 8 bytes there, and 7 bytes are free"):
        memory.check_disk(tmp_path, 8, "more")


class _Usage:
    def __init__(self, free):
        self.free = free


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 KB"), (1_500_000_000, "1.5 GB"), (10**19, "10000.0 PB")],
)
def test_sizes_in_words(count, text):
    assert memory.size_text(count) == text
