"""Pictures decoded in forked processes: the same as in threads, with the same warnings in the same order."""

import numpy as np
import pytest

from dlcli.core.data import decoding, open_data
from dlcli.core.data.pictures import Pictures
from tests.core.data.pictures import fill, noise, picture

pytestmark = pytest.mark.skipif(not decoding.may_fork(), reason="processes are forked on Linux with several cores")


@pytest.fixture
def both(tmp_path, monkeypatch, tmp_path_factory, listener):
    """What threads and what processes read, each with its notes and warnings."""

    def read(**options):
        found = []
        for least in (10**9, 1):
            monkeypatch.setattr(decoding, "_LEAST_FORKED", least)
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
            monkeypatch.setattr(decoding, "prefetch", decoding.prefetch if least > 1 else None)
            listener.notes.clear(), listener.warnings.clear()
            data = open_data(str(tmp_path), report=listener, **options)
            found.append((data.fingerprint, [*listener.notes], [*listener.warnings]))
        return found

    return read


@pytest.mark.parametrize("options", [{}, {"size": 5}, {"limit": 9}])
def test_processes_read_what_threads_read(tmp_path, both, options):
    for k, path in enumerate(fill(tmp_path, ("ant", "bee", "cow"), n=40)):
        if k % 11 == 3:
            path.write_bytes(path.read_bytes()[:40] if k % 2 else b"")
        if k % 17 == 4:
            picture(path, np.dstack([noise(k), np.full((6, 6), 100, np.uint8)]))
    threads, processes = both(**options)
    assert threads == processes
    if not options:
        assert any("transparent" in note for note in threads[1]) and len(threads[2]) == 6


def test_few_bits_are_noticed_in_processes_too(tmp_path, both):
    for k in range(100):
        picture(tmp_path / "ab"[k % 2] / f"{k}.png", np.full((4, 4), 8 * k, np.uint16))
    threads, processes = both()
    assert threads == processes and "no image of 16 bits (100 in all) has a value above 792" in threads[2][0]


def _late(folder, pixels):
    """Forty pictures that are alike, and one that is not."""
    for k in range(40):
        picture(folder / "ab"[k % 2] / f"{k:02}.png", noise(k))
    picture(folder / "b" / "99.png", pixels)


@pytest.mark.parametrize("first", [noise(7), noise(7)[..., 0]], ids=["colour", "grey"])
@pytest.mark.parametrize("last", [noise(8, (7, 6, 3)), noise(8)[..., 0], noise(8, (6, 6, 3))], ids=["size", "grey", "same"])
@pytest.mark.parametrize("options", [{}, {"size": 5}])
def test_a_wrong_guess_changes_nothing(tmp_path, monkeypatch, tmp_path_factory, listener, first, last, options):
    """The shape of all is guessed by the first, and read again where another one differs; without a guess it is the same."""
    _late(tmp_path, last)
    picture(tmp_path / "a" / "00.png", first)
    expected = open_data(str(tmp_path), report=listener, **options)
    said = [*listener.notes], [*listener.warnings]
    monkeypatch.setattr(Pictures, "guess", lambda *_: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    listener.notes.clear(), listener.warnings.clear()
    found = open_data(str(tmp_path), report=listener, **options)
    assert found.fingerprint == expected.fingerprint and found.channels == 3
    assert (listener.notes, listener.warnings) == said
