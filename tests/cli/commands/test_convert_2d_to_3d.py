"""`dlcli convert-2d-to-3d` on what it cannot use: one line, the right status, nothing left behind."""

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.conftest import Run

NETS = """
from torch import nn

def net(channels, classes):
    body = nn.Sequential(nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 1))
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, classes))

def flat():
    return nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 5, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten())

def deep():
    return nn.Sequential(nn.Unflatten(1, (3, 1)), nn.Conv3d(3, 5, 1), nn.AdaptiveAvgPool3d(1), nn.Flatten())

def dense():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    scope: dict = {}
    exec(compile(NETS, "nets.py", "exec"), scope)  # noqa: S102
    state = scope["net"](3, 4).state_dict()
    torch.save(state, tmp_path / "net.pt")
    torch.save({key: tensor for key, tensor in state.items() if key != "3.bias"}, tmp_path / "missing.pt")
    torch.save(state | {"more": torch.zeros(1)}, tmp_path / "extra.pt")
    torch.save(state | {"0.2.weight": torch.zeros(5, 6, 2, 2)}, tmp_path / "shape.pt")
    torch.save({"net": nn.Linear(2, 2)}, tmp_path / "code.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "net.pt").read_bytes()[:-200])
    (tmp_path / "empty.pt").touch()
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("missing.pt --arch nets.py:net", 3, "missing 3.bias"),
        ("extra.pt --arch nets.py:net", 3, "unknown more"),
        ("shape.pt --arch nets.py:net", 3, "misshapen 0.2.weight"),
        ("code.pt --arch nets.py:net", 3, "could run code"),
        ("cut.pt --arch nets.py:net", 3, "cut.pt: not a whole torch file (copy it again"),
        ("empty.pt --arch nets.py:net", 3, "empty.pt: is empty"),
        ("absent.pt", 3, "absent.pt: no such file"),
        ("net.pt", 2, "--arch"),
        ("nets.py", 2, "nets.py needs the name of a callable in it (nets.py:CALLABLE)"),
        ("nets.py:other", 2, "nets.py has no callable 'other' (it has: net, flat, deep, dense)"),
        ("nets.py:flat", 3, "nets.py:flat: the network is 1-D"),
        ("nets.py:deep", 3, "nets.py:deep: the network is 3-D already"),
        ("nets.py:dense", 3, "nets.py:dense: the network has no convolution"),
        ("vit_b_16", 3, "no convolution that besnet inflates"),
        ("resnet81", 2, "did you mean"),
        ("nets.py:net --inflate all --rule i3d", 2, "--inflate"),
        ("nets.py:net --temporal-kernel 4", 2, "--temporal-kernel: 4 is even"),
        ("nets.py:net --dilations 1,x", 2, "whole number"),
        ("nets.py:net --dilations 0", 2, "--dilations"),
        ("nets.py:net --fuse-dilations --temporal-padding renorm", 2, "--fuse-dilations"),
        ("nets.py:net --recalibrate-bn digits", 3, "--recalibrate-bn: the network has no batch normalisation"),
        ("cifar-resnet-8 --recalibrate-bn nowhere", 3, "--recalibrate-bn: no such dataset, file or folder: 'nowhere'"),
        (
            "cifar-resnet-8 --recalibrate-bn digits",
            3,
            "--recalibrate-bn: digits holds images of 1 channel; the network takes 3",
        ),
        ("nets.py:net -o nets.py/video.safetensors", 5, "nets.py: is a file, not a folder (name another place)"),
        ("nets.py:net -o video.bin", 2, "does not end in .safetensors"),
        ("", 2, "MODEL: a network is needed"),
    ],
)
def test_what_cannot_be_converted_is_one_line(words: str, status: int, said: str, folder: Path, dlcli: Run):
    before = {path for path in folder.iterdir() if path.name != "__pycache__"}
    size = () if "vit" in words else ("--size", "16")
    output = () if " -o " in words else ("-o", "video.safetensors")
    done = dlcli("convert-2d-to-3d", *output, *size, *words.split(), "-q")
    line = done.stderr.decode()
    assert (done.returncode, done.stdout) == (status, b""), line
    assert line.count("\n") == 1 and said in line
    assert {path for path in folder.iterdir() if path.name != "__pycache__"} == before


@pytest.mark.parametrize(("room", "lacks"), [(200, "v.safetensors"), (3_000, "v.json"), (12_000, "v.pt2")])
def test_a_full_disk_leaves_nothing_and_names_what_did_not_fit(room: int, lacks: str, folder: Path, dlcli: Run):
    """The weights take 2 KiB, the card more than that, and the program most."""
    words = ("nets.py:net", "--size", "16", "--classes", "4", "-q", "-o", "new/v.safetensors", "--export", "new/v.pt2")
    done = dlcli("convert-2d-to-3d", *words, file_size=room)
    assert done.returncode == 5 and done.stderr.count(b"\n") == 1, done.stderr
    assert f"new/{lacks}: file too large (make room" in done.stderr.decode()
    assert not (folder / "new").exists()


def test_a_failed_verification_is_status_1(folder: Path, dlcli: Run):
    before = set(folder.iterdir())
    words = ("cifar-resnet-8", "--size", "16", "--temporal-padding", "zeros", "--format", "csv", "-q", "-o", "v.safetensors")
    done = dlcli("convert-2d-to-3d", *words)
    assert done.returncode == 1 and set(folder.iterdir()) == before
    assert done.stdout.startswith(b"stage,frames,error_float64,error_float32\n") and b"from layer1.0 on" in done.stderr
    assert b"(--temporal-padding replicate, or --allow-inexact writes it anyway)" in done.stderr
