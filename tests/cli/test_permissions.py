"""What may not be read is an input error (3), what may not be written a lack of resources (5), in one line that names it."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run, Start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="root is made an ordinary user by capabilities of Linux")

SHORT = ("--epochs", "1", "--device", "cpu", "-q")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one input of each kind; what is trained is added by `place`."""
    folder = tmp_path_factory.mktemp("sound")
    rng = np.random.default_rng(0)
    np.savez(folder / "d.npz", x=rng.random((40, 8, 8), np.float32), y=np.arange(40) % 4)
    (folder / "t.csv").write_text("id,question\n1,how do i go\n2,how do I go\n")
    (folder / "c.toml").write_text("[dedupe]\nthreshold = 0.5\n")
    for k in range(8):
        path = folder / "img" / "ab"[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((rng.random((8, 8)) * 255).astype("uint8")).save(path)
    return folder


@pytest.fixture
def place(sound: Path, dlcli: Run, tmp_path: Path) -> Path:
    if not (sound / "run").exists():
        for words in (
            ("train", "--data", "d.npz", *SHORT, "-o", "run"),
            ("ensemble", "--data", "d.npz", *SHORT, "--members", "2", "--workers", "1", "-o", "ens"),
            ("dedupe", "t.csv", "-q", "--index", "ix", "-o", "o.csv"),
        ):
            assert dlcli(*words, cwd=sound).returncode == 0
    return Path(shutil.copytree(sound, tmp_path / "place"))


EVAL = ("eval", "run", "--data", "d.npz")
IMAGES = ("train", "--data", "img", "--model", "digits-net", *SHORT, "-o", "r")
READ = {
    "table": ("t.csv", ("dedupe", "t.csv")),
    "arrays": ("d.npz", EVAL),
    "metadata": ("run/model.json", EVAL),
    "weights": ("run/weights.safetensors", EVAL),
    "run": ("run", EVAL),
    "ensemble": ("ens/ensemble.json", ("eval", "ens", "--data", "d.npz")),
    "member": ("ens/members/000", ("eval", "ens", "--data", "d.npz")),
    "index": ("ix/index.safetensors", ("dedupe", "t.csv", "--index", "ix", "-o", "p.csv")),
    "options": ("c.toml", ("dedupe", "t.csv", "--config", "c.toml")),
    "images": ("img", IMAGES),
    "class": ("img/b", IMAGES),
    "image": ("img/b/1.png", (*IMAGES, "--strict")),
    "images to compare": ("img/b", ("dedupe", "img")),
    "images to predict": ("img/b", ("predict", "run", "img")),
}


@pytest.mark.parametrize("name", READ)
def test_what_may_not_be_read_is_an_input_error(place: Path, dlcli: Run, name: str):
    path, words = READ[name]
    (place / path).chmod(0)
    done = dlcli(*words, "-q", cwd=place, unprivileged=True)
    (place / path).chmod(0o755)
    assert done.returncode == 3 and not done.stdout, done.stderr
    (line,) = done.stderr.decode().splitlines()
    assert path in line and ("may not be read" in line or "ermission denied" in line)


WRITTEN = {
    "table": ("dedupe", "t.csv", "-q", "-o", "closed/o.csv"),
    "table in a folder that it would make": ("dedupe", "t.csv", "-q", "-o", "closed/new/o.csv"),
    "index": ("dedupe", "t.csv", "-q", "-o", "o2.csv", "--index", "closed/ix"),
    "page": ("dedupe", "t.csv", "-q", "-o", "o2.csv", "--review", "closed/r.html"),
    "run": ("train", "--data", "d.npz", *SHORT, "-o", "closed"),
    "run in a folder": ("train", "--data", "d.npz", *SHORT, "-o", "closed/run"),
    "ensemble": ("ensemble", "--data", "d.npz", *SHORT, "--members", "2", "-o", "closed/e"),
    "report": (*EVAL, "-q", "-o", "closed/report"),
    "attack": ("attack", "--model", "run", "--data", "d.npz", "--limit", "4", "-q", "-o", "closed/a"),
    "program": (*EVAL, "-q", "--export", "closed/n.pt2"),
    "labels": ("predict", "run", "d.npz", "-q", "-o", "closed/labels.csv"),
    "network": ("convert-2d-to-3d", "cifar-resnet-8", "--size", "16", "-q", "-o", "closed/v.safetensors"),
}


@pytest.mark.parametrize("mode", [0o555, 0], ids=["read only", "closed"])
@pytest.mark.parametrize("name", WRITTEN)
def test_what_may_not_be_written_is_a_lack_of_resources(place: Path, dlcli: Run, name: str, mode: int):
    closed = place / "closed"
    closed.mkdir()
    before = sorted(place.rglob("*"))
    closed.chmod(mode)
    done = dlcli(*WRITTEN[name], cwd=place, unprivileged=True)
    closed.chmod(0o755)
    assert done.returncode == 5 and not done.stdout, done.stderr
    (line,) = done.stderr.decode().splitlines()
    assert "closed" in line and "may not be written" in line
    assert not [path for path in closed.rglob("*") if path.is_file()]
    assert [path for path in sorted(place.rglob("*")) if path.name.startswith(".")] == [
        p for p in before if p.name.startswith(".")
    ]


def test_a_cache_that_may_not_be_written_costs_time_only(
    place: Path, start_dlcli: Start, tmp_path: Path, environment: dict[str, str]
):
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o555)
    words = ("attack", "--data", "d.npz", "--epochs", "1", "--device", "cpu", "--limit", "4")
    env = {**environment, "XDG_CACHE_HOME": str(cache)}
    with start_dlcli(*words, cwd=place, unprivileged=True, env=env) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert b"not cached for the next run" in errors and not list(cache.iterdir())
