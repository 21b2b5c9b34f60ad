"""The run record holds what is needed to run it again."""

import hashlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from dlcli.support.record import Start, environment, write_record


def test_record(tmp_path: Path):
    (tmp_path / "in.npz").write_bytes(b"data")
    write_record(
        tmp_path / "out" / "run.json",
        command="attack",
        arguments=["--seed", "1"],
        config={"seed": 1},
        inputs=[tmp_path / "in.npz", Path("digits")],
        started=Start(datetime.now(UTC), time.monotonic()),
        result={"x": 1},
        status=0,
    )
    found = json.loads((tmp_path / "out" / "run.json").read_text())
    assert found["inputs"] == {str(tmp_path / "in.npz"): hashlib.sha256(b"data").hexdigest()}
    assert (found["command"], found["config"], found["result"], found["status"]) == ("attack", {"seed": 1}, {"x": 1}, 0)
    assert 0 <= found["seconds"] < 60 and found["started"].endswith("+00:00")
    assert found["environment"]["dlcli"]


def test_gpus_that_were_used_are_recorded(monkeypatch: pytest.MonkeyPatch):
    assert not {"gpus", "cuda", "cudnn"} & set(environment())
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"NVIDIA {number}")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002, raising=False)
    found = json.loads(json.dumps(environment()))
    assert (found["gpus"], found["cuda"], found["cudnn"]) == (["NVIDIA 0", "NVIDIA 1"], torch.version.cuda, 91002)
