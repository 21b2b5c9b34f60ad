"""Commands on clips call them what they are, in every form of what they say."""

import re
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.core.data.videos import films

pytestmark = pytest.mark.slow

SMALL = ("--frames", "2", "--size", "16", "--device", "cpu")


@pytest.mark.parametrize("data", ["films", "moving-digits"])
def test_a_video_is_not_called_an_image(data: str, tmp_path: Path, dlcli: Run):
    if data == "films":
        films(tmp_path / data, n=4)
    small = ("cifar-resnet-8", "--size", "16", "--frames", "2", "--classes", "2", "-o", "net.safetensors")
    assert dlcli("convert-2d-to-3d", *small).returncode == 0
    train = ("train", "--data", data, *SMALL, "--model", "net.safetensors", "--epochs", "1", "--lr", "1e-4", "--limit", "6")
    judge = ("run", data, *SMALL, "--limit", "4")
    said = []
    for words in (
        (*train, "--dry-run"),
        (*train, "-o", "run"),
        (*train, "--early-stop", "loss:1"),
        ("eval", *judge),
        ("eval", *judge, "--slices", "class"),
        ("eval", *judge, "--diagnose"),
        ("eval", *judge, "--summary"),
        ("eval", *judge, "--dry-run"),
        ("eval", *judge, "-o", "report"),
        ("predict", *judge),
    ):
        form = () if "--dry-run" in words else ("--format", "table")
        done = dlcli(*words, *form)
        assert done.returncode == (2 if "--early-stop" in words else 0), done.stderr
        said.append((done.stdout + done.stderr).decode())
    page = re.sub(r"data:image/png;base64,\S+", "", (tmp_path / "report" / "report.html").read_text())
    words = re.sub(r"<style.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    for text in (*said, words):
        assert not re.search(r"\bimages?\b", text, re.IGNORECASE), text
    assert sum("videos" in text for text in said) >= 8
