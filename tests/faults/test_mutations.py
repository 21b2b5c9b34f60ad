"""Files that are damaged at random: a command ends with a documented status and one line, and never with 70."""

import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from dlcli.cli.exit_codes import ExitCode, explain
from dlcli.engines import attack, dedupe, ensemble, eval, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.train import TrainConfig

SEEDS = range(12)
ODD = [None, True, -1, 0, 10**30, 1.5, float("nan"), "", "x", "\ud800", "../..", [], [[]], {}, {"a": 1}, "9" * 400]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file or folder of each kind that a command reads back."""
    place = tmp_path_factory.mktemp("sound")
    rng = np.random.default_rng(0)
    np.savez(place / "d.npz", x=rng.random((40, 8, 8), np.float32), y=np.arange(40) % 4)
    data = {"data": str(place / "d.npz"), "device": "cpu"}
    train.run(TrainConfig(**data, epochs=1, output=place / "run"))
    ensemble.run(EnsembleConfig(**data, epochs=1, members=2, workers=1, output=place / "ens"))
    rows = [f"{k},how do i {w} my password" for k, w in enumerate(("reset", "change", "reset", "find"))]
    (place / "t.csv").write_text("\n".join(["id,question", *rows]) + "\n")
    objects = [json.dumps({"id": k, "question": row, "more": {"a": [1, None]}}) for k, row in enumerate(rows)]
    (place / "t.jsonl").write_text("\n".join(objects) + "\n")
    dedupe.run(DedupeConfig(table=str(place / "t.csv"), index=place / "index"))
    return place


class Kind(NamedTuple):
    """A file below `sound`, and what reads it, given the copy of `sound` that it is in."""

    file: str
    read: Callable[[Path], object]


def _eval(model: str, data: str = "d.npz") -> Callable[[Path], object]:
    return lambda place: eval.run(EvalConfig(model=str(place / model), data=str(place / data), device="cpu"))


KINDS = {
    "run": Kind("run/model.json", _eval("run")),
    "run, attacked": Kind(
        "run/model.json",
        lambda place: attack.plan(AttackConfig(model=str(place / "run"), data=str(place / "d.npz"), device="cpu")),
    ),
    "weights": Kind("run/weights.safetensors", _eval("run")),
    "ensemble": Kind("ens/ensemble.json", _eval("ens")),
    "member": Kind("ens/members/001/model.json", _eval("ens")),
    "finished run": Kind(
        "run/weights.safetensors",
        lambda place: train.run(
            TrainConfig(data=str(place / "d.npz"), device="cpu", epochs=1, output=place / "run", resume=True)
        ),
    ),
    "arrays": Kind("d.npz", _eval("run")),
    "csv": Kind("t.csv", lambda place: dedupe.run(DedupeConfig(table=str(place / "t.csv"), column="question"))),
    "jsonl": Kind("t.jsonl", lambda place: dedupe.run(DedupeConfig(table=str(place / "t.jsonl"), column="question"))),
    "index": Kind(
        "index/index.safetensors",
        lambda place: dedupe.run(DedupeConfig(table=str(place / "t.jsonl"), column="question", index=place / "index")),
    ),
}


def flipped(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def doubled(content: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.sample(range(len(content) + 1), 2))
    return content[:end] + content[start:]


def deep(content: bytes, rng: random.Random) -> bytes:
    mark = rng.choice([b"[", b'{"a":'])
    return mark * rng.choice([1000, 20000]) + (b"]" * 1000 if rng.random() < 0.5 else b"")


def replaced(content: bytes, rng: random.Random) -> bytes:
    """One value of JSON becomes another; other files lose a part."""
    try:
        found = json.loads(content)
    except ValueError:
        return doubled(content, rng)
    places = list(_places(found))
    holder, key = rng.choice(places)
    holder[key] = rng.choice(ODD)
    return json.dumps(found).encode()


def _places(found: Any) -> Any:
    entries = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, value in list(entries):
        yield found, key
        yield from _places(value)


HARMS = (flipped, cut, doubled, deep, replaced)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_end_in_a_documented_status(sound: Path, tmp_path: Path, kind: str):
    for seed in SEEDS:
        rng = random.Random(f"{kind} {seed}")
        place = tmp_path / str(seed)
        shutil.copytree(sound, place)
        path, harm = place / KINDS[kind].file, rng.choice(HARMS)
        path.write_bytes(harm(path.read_bytes(), rng))
        try:
            KINDS[kind].read(place)
        except Exception as error:
            status, sentence, hint = explain(error)
            assert status in (ExitCode.USAGE, ExitCode.INPUT, ExitCode.RESOURCES), (seed, harm.__name__, repr(error))
            assert "\n" not in sentence + hint, (seed, harm.__name__)


@pytest.mark.parametrize("flag", ["encrypted", "method", "crc", "size"])
def test_members_of_archives(sound: Path, tmp_path: Path, flag: str):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(sound / "d.npz") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    content = bytearray(path.read_bytes())
    for start in (content.find(b"PK\x01\x02"), content.find(b"PK\x03\x04")):
        shift = 2 if content[start + 2 : start + 4] == b"\x01\x02" else 0
        at = start + {"encrypted": 6, "method": 8, "crc": 14, "size": 22}[flag] + shift
        content[at] ^= 1 if flag == "encrypted" else 0x55
    path.write_bytes(bytes(content))
    try:
        eval.run(EvalConfig(model=str(sound / "run"), data=str(path), device="cpu"))
    except Exception as error:
        assert explain(error)[0] == ExitCode.INPUT, repr(error)


def test_a_right_hash_over_wrong_numbers_is_no_trust(sound: Path, tmp_path: Path):
    """An index whose parts do not fit together, but whose SHA-256 is that of these parts."""
    from safetensors import safe_open

    from dlcli.core.text.index_dir import FILE, _digest

    path = sound / "index" / FILE
    with safe_open(path, "np") as file:
        about = file.metadata()
    for name, change in (("group", 10**6), ("listed.text", -5), ("listed.spelling", 10**6), ("keys.ends", 3)):
        arrays = load_file(path)
        arrays[name] = arrays[name] + arrays[name].dtype.type(change)
        (tmp_path / name).mkdir()
        metadata = about | {"sha256": _digest(about["card"], arrays)}
        save_file(arrays, tmp_path / name / FILE, metadata=metadata)
        with pytest.raises(Exception, match="do not fit together|damaged") as error:
            dedupe.run(DedupeConfig(table=str(sound / "t.jsonl"), column="question", index=tmp_path / name))
        assert explain(error.value)[0] == ExitCode.INPUT
