"""FGSM beside foolbox on the same network and images, in turn in one process: CPU seconds, medians, and their ratio.

The network is LeNet with random weights on 1,000 random 28x28 images: speed does not depend on what it has learned. dlcli
runs at its default batch, foolbox at 250 images a batch.
"""

import argparse
import statistics
import time

import torch

from dlcli.core.attacks import load_attack
from dlcli.core.models import lenet

ROUNDS = 9


def timed(function: object) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def main() -> None:
    """Print one row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    import foolbox

    torch.manual_seed(0)
    model = lenet.build(1, (28, 28), 10).eval()
    x, y = torch.rand(1000, 1, 28, 28), torch.randint(10, (1000,))
    peer, wrapped = foolbox.attacks.LinfFastGradientAttack(), foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")

    def ours() -> None:
        load_attack("fgsm")(model, x, y, eps=0.2)

    def theirs() -> None:
        for images, labels in zip(x.split(250), y.split(250), strict=True):
            peer.run(wrapped, images, labels, epsilon=0.2)

    ours(), theirs()
    rounds = [(timed(ours), timed(theirs)) for _ in range(ROUNDS)]
    mine, other = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(a / b for a, b in rounds)
    print(f"FGSM, LeNet, 1,000 images, {torch.get_num_threads()} thread(s), float32, median of {ROUNDS}")
    print(f"dlcli {mine:.3f} CPU s, foolbox {other:.3f} CPU s, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
