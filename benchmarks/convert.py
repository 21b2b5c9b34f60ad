"""What a network for video costs beside the one for images that it comes from, and what the conversion costs.

Forward: a clip of 8 frames beside the same 8 images, and its temporal layers beside torch's Conv3d of the same shapes, in turn
in one process, in evaluation mode; CPU seconds and ratios, one thread; `1 of 2 dilations` is as in training.
Conversion: `dlcli convert-2d-to-3d` of resnet50 with its proof, in a process of its own: CPU seconds and the largest memory.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.inflate.convert import Inflation, inflate
from dlcli.core.layers.temporal import TemporalConv

FRAMES = 8


def main() -> None:
    """A row a network and way, then the conversion."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", default=["resnet50", "resnet18", "squeezenet1_1"])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{FRAMES} frames of {options.size}x{options.size}, medians of {options.rounds} rounds, torch {torch.__version__}")
    for name in options.networks:
        forward(name, options.size, options.rounds)
    conversion()


@torch.no_grad()
def forward(name: str, size: int, rounds: int) -> None:
    """Time the ways in turn."""
    import torchvision  # here, since it takes long to import

    image = torchvision.models.get_model(name, weights=None).eval()
    sample = torch.zeros(1, 3, 64, 64)
    video = inflate(image, sample, Inflation()).model.eval()
    drawn = inflate(image, sample, Inflation()).model.eval()
    for layer in drawn.modules():
        layer.training = isinstance(layer, TemporalConv)
    frames = torch.rand(FRAMES, 3, size, size)
    clip = frames.transpose(0, 1)[None].contiguous()
    for layout in (torch.contiguous_format, torch.channels_last):
        frames = frames.contiguous(memory_format=layout)
        ways: dict[str, Callable[[], Tensor]] = {
            "images": lambda frames=frames: image(frames),
            "clip": lambda: video(clip),
            "clip, 1 of 2 dilations": lambda: drawn(clip),
        }
        for model in (image, video, drawn):
            model.to(memory_format=layout)
        print(f"{name}, {str(layout).removeprefix('torch.')}")
        compare(ways, rounds)
    print(f"{name}, the temporal layers of the clip alone")
    compare(layers(image, video, clip), rounds)


def layers(image: nn.Module, video: nn.Module, clip: Tensor) -> dict[str, Callable[[], Tensor]]:
    """All temporal layers with what they read on a pass: as they are in training, and as Conv3d with replicated ends."""
    pairs: list[tuple[TemporalConv, nn.Conv3d, Tensor]] = []
    for layer in video.to(memory_format=torch.contiguous_format).modules():
        if isinstance(layer, TemporalConv):
            space = [(1, *pair) for pair in (layer.stride, layer.dilation)]
            peer = nn.Conv3d(
                layer.in_channels,
                layer.out_channels,
                tuple(layer.weight.shape[2:]),
                stride=space[0],
                padding=(0, *layer.padding),
                dilation=space[1],
                groups=layer.groups,
            )
            layer.register_forward_pre_hook(lambda layer, args, peer=peer: pairs.append((layer, peer, args[0])))
    video(clip)
    for layer, _, _ in pairs:
        layer._forward_pre_hooks.clear()
        layer.dilations = (1,)

    def ours() -> Tensor:
        return torch.stack([layer(x).sum() for layer, _, x in pairs])

    def theirs() -> Tensor:
        found = []
        for layer, peer, x in pairs:
            whole = x.unflatten(0, (-1, FRAMES)).transpose(1, 2)
            ends = nn.functional.pad(whole, (0, 0, 0, 0, layer.taps // 2, layer.taps // 2), "replicate")
            found.append(peer(ends).sum())
        return torch.stack(found)

    return {"torch's Conv3d": theirs, "dlcli": ours}


def compare(ways: dict[str, Callable[[], Tensor]], rounds: int) -> None:
    """Time each way in turn; the first is what the others are divided by."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds + 1):
        for way, run in ways.items():
            start = time.process_time()
            run()
            seconds[way].append(time.process_time() - start)
    first = next(iter(seconds.values()))[1:]  # a round to warm up does not count
    for way, each in seconds.items():
        ratio = statistics.median(mine / theirs for mine, theirs in zip(each[1:], first, strict=True))
        print(f"  {way:24} {statistics.median(each[1:]):7.3f} CPU s   {ratio:5.2f} of the first")


def conversion() -> None:
    """The command as a person would run it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "dlcli",
            "convert-2d-to-3d",
            "resnet50",
            "-q",
            "-o",
            str(Path(folder) / "v.safetensors"),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command}: status {status}")
    unit = 1 << 20 if sys.platform == "linux" else 1 << 30
    seconds = usage.ru_utime + usage.ru_stime
    print(f"dlcli convert-2d-to-3d resnet50, with the proof: {seconds:.1f} CPU s, at most {usage.ru_maxrss / unit:.2f} GiB")


if __name__ == "__main__":
    main()
