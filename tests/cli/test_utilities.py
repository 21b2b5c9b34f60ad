"""`dlcli list` and `dlcli info`: what there is, as it is."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from importlib import import_module, metadata
from pathlib import Path

import pytest
import torch

from dlcli import __version__
from dlcli.cli.command import UTILITIES
from dlcli.cli.commands.cache import COMMAND
from dlcli.cli.layout import lines
from dlcli.core.training.augment import names
from dlcli.engines import cache, info
from dlcli.specs.cache import CacheConfig
from dlcli.specs.info import InfoConfig
from dlcli.specs.list import KINDS, REGISTRIES
from dlcli.specs.shared import RULES, SCORE_RULES
from dlcli.support.errors import MissingExtraError
from dlcli.support.lock import locked
from dlcli.support.registry import Registry
from tests.conftest import Run

HEAVY = ("torch", "numpy", "pandas", "scipy", "spacy", "sklearn", "matplotlib", "rich")


def _listed(dlcli: Run, *kind: str) -> list[dict[str, str]]:
    done = dlcli("list", *kind, "--format", "csv")
    assert done.returncode == 0
    return list(csv.DictReader(io.StringIO(done.stdout.decode())))


def test_list_has_every_entry_of_every_registry_with_what_it_is(dlcli: Run):
    rows = _listed(dlcli)
    found = {kind: {row["name"] for row in rows if row["kind"] == kind} for kind in KINDS}
    assert found == {kind: set(Registry(kind, package).names()) for kind, package in REGISTRIES.items()} | {
        "augmentations": set(names()),
        "ensemble-rules": {*RULES, *SCORE_RULES},
    }
    assert all(len(row["description"]) > 9 and row["use"].startswith("dlcli ") for row in rows)
    assert len({(row["kind"], row["name"]) for row in rows}) == len(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_list_of_a_kind_is_that_part_of_the_whole(kind: str, dlcli: Run):
    assert _listed(dlcli, kind) == [row for row in _listed(dlcli) if row["kind"] == kind]


@pytest.mark.parametrize("arguments", [["list", "-q"], *[[name, "--help"] for name in UTILITIES]], ids=" ".join)
def test_nothing_heavy_is_imported_to_list(arguments: list[str], environment: dict[str, str]):
    code = (
        f"import sys\nfrom dlcli.cli.app import main\nsys.argv = ['dlcli', *{arguments!r}]\n"
        f"try:\n    main()\nfinally:\n    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert done.returncode == 0 and done.stderr.decode().strip().splitlines()[-1] == "[]"


def test_info_is_what_the_packages_themselves_say(dlcli: Run, tmp_path: Path):
    cache = tmp_path / "cache" / "dlcli" / "models"
    cache.mkdir(parents=True)
    (cache / "a.bin").write_bytes(b"x" * 1234)
    (cache / "link").symlink_to(cache / "a.bin")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "dlcli", "info", "--device", "cpu", "--format", "json"]
    told = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert told["dlcli"] == __version__ and told["versions"]["torch"] == torch.__version__.partition("+")[0]
    for name in ("numpy", "typer", "spacy"):
        assert told["versions"][name] == import_module(name).__version__
    assert told["device"].startswith("cpu") and told["threads"] >= 1
    assert told["cache"] == [{"name": "models", "path": str(cache), "files": 1, "bytes": 1234}]
    assert dlcli("info", "--device", "nowhere").returncode == 2


def test_info_names_the_command_that_brings_a_missing_package(monkeypatch: pytest.MonkeyPatch):
    real = metadata.version

    def version(name: str) -> str:
        if name == "av":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    (video,) = [one for one in info.run(InfoConfig(device="cpu")).extras if one.name == "video"]
    assert (video.packages, video.missing) == (("av",), ("av",))
    (needed,) = [line.partition(";")[0].strip() for line in metadata.requires("dlcli-kit") or () if "'video'" in line]
    assert video.install == f"pip install '{needed}'" == MissingExtraError("reading videos", "video").hint


def test_info_lists_each_extra_that_users_can_install():
    provided = set(metadata.metadata("dlcli-kit").get_all("Provides-Extra") or ())
    assert {one.name for one in info.run(InfoConfig(device="cpu")).extras} == provided - {"dev"}


@pytest.fixture(name="cached")
def _cached(tmp_path: Path) -> Path:
    """A cache with files of 1, 10 and 100 days, a link and a lock."""
    folder = tmp_path / "cache" / "dlcli"
    for days, name in ((1, "models/a.bin"), (10, "models/b.bin"), (100, "images/deep/c.bin")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * days)
        past = time.time() - 86400 * days
        os.utime(path, (past, past))
    (tmp_path / "mine.bin").write_bytes(b"mine")
    os.utime(tmp_path / "mine.bin", (0, 0))
    (folder / "models" / "link.bin").symlink_to(tmp_path / "mine.bin")
    return folder


def _cache(cached: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cached.parent)}
    command = [sys.executable, "-m", "dlcli", "cache", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_cache_lists_files_by_kind_and_age(cached: Path):
    rows = list(csv.DictReader(io.StringIO(_cache(cached).stdout)))
    assert [(row["kind"], Path(row["file"]).name, row["bytes"], row["status"]) for row in rows] == [
        ("images", "c.bin", "100", "kept"),
        ("models", "a.bin", "1", "kept"),
        ("models", "b.bin", "10", "kept"),
    ]
    assert [round(float(row["days"])) for row in rows] == [100, 1, 10]


@pytest.mark.parametrize(("older", "left"), [("30d", {"a", "b"}), ("1w", {"a"}), ("0d", set()), ("200", {"a", "b", "c"})])
def test_prune_removes_what_is_older_and_nothing_behind_links(older: str, left: set[str], cached: Path, tmp_path: Path):
    shown = _cache(cached, "prune", "--older", older, "--dry-run")
    assert shown.returncode == 0 and _names(cached) == {"a.bin", "b.bin", "c.bin", "link.bin"}
    done = _cache(cached, "prune", "--older", older)
    assert done.returncode == 0
    assert _names(cached) == {f"{name}.bin" for name in left} | {"link.bin"}
    assert (tmp_path / "mine.bin").read_bytes() == b"mine"
    assert shown.stdout.count("remove /") == 3 - len(left)


def test_prune_leaves_what_another_run_holds(cached: Path):
    with locked(cached / "models" / "b.bin"):
        rows = list(csv.DictReader(io.StringIO(_cache(cached, "prune", "--older", "5d").stdout)))
    assert {Path(row["file"]).name: row["status"] for row in rows} == {"b.bin": "in use", "c.bin": "removed"}
    assert (cached / "models" / "b.bin").exists()


def test_prune_asks_for_an_age(cached: Path):
    done = _cache(cached, "prune")
    assert done.returncode == 2 and "--older 30d" in done.stderr
    assert _cache(cached, "prune", "--older", "-3d").returncode == 2
    assert _names(cached) == {"a.bin", "b.bin", "c.bin", "link.bin"}


def test_rows_of_the_cache_fit_a_terminal_and_keep_names_apart(cached: Path, monkeypatch: pytest.MonkeyPatch):
    names = [*(f"{k:02x}" * 32 for k in (3, 4)), *(f"hub/{'name-of-a-network-' * 6}v{k}" for k in (1, 2))]
    for name in names:
        (cached / "models" / name).parent.mkdir(exist_ok=True)
        (cached / "models" / f"{name}.safetensors").write_bytes(b"x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cached.parent))
    table = COMMAND.table(cache.run(CacheConfig(action="prune", older=0)))
    shown = [line.text for line in lines(table, 80, verbose=False, pictures=False)]
    files = {row[1] for row in table.rows}
    assert len(files) == 7
    # Each name is on one line, with all that is known of the file: there is no second table.
    assert [sum(name in line and line.endswith("removed") for line in shown) for name in files] == [1] * 7
    assert sum(line.startswith(" kind") for line in shown) == 1
    assert max(len(line) for line in shown if "removed" in line) <= 80
