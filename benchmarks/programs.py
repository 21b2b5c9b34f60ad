"""How far the logits of exported networks are from those of the networks themselves, as shares of the largest.

    OMP_NUM_THREADS=2 python benchmarks/programs.py

Ten networks of torchvision with random weights, 10 outputs, 8 random images of 224x224, float32, on the CPU. The last layer of
a network that starts at zero is drawn, so that no logit is 0.
"""

import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torchvision import models

from dlcli.core.compute.forward import predict_logits
from dlcli.core.model_io.programs import read_program, write_program

NETWORKS = (
    "resnet18 mobilenet_v3_small squeezenet1_1 convnext_tiny vit_b_16 swin_t efficientnet_b0 regnet_y_400mf densenet121 "
    "shufflenet_v2_x0_5"
).split()
CPU = torch.device("cpu")


def main() -> int:
    """Export each network in both formats, and print a table."""
    print("| network | largest logit | ONNX | seconds | torch.export | seconds |\n|---|---|---|---|---|---|")
    for name in NETWORKS:
        torch.manual_seed(0)
        network = getattr(models, name)(weights=None, num_classes=10).eval()
        for module in network.modules():
            if isinstance(module, nn.Linear) and not module.weight.any():
                nn.init.normal_(module.weight, std=0.02)
        x = torch.rand(8, 3, 224, 224)
        expected = predict_logits(network, x, device=CPU)
        cells = [f"{float(expected.abs().max()):.2g}"]
        for ending in ("onnx", "pt2"):
            started = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"network.{ending}"
                write_program(path, network, x[:2], tuple("abcdefghij"), CPU)
                off = (predict_logits(read_program(path, CPU).model, x, device=CPU) - expected).abs().max()
            cells += [f"{float(off / expected.abs().max()):.1e}", f"{time.process_time() - started:.0f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
