"""PGD-40 beside foolbox and a loop as people write it, in turn in one process: CPU seconds, ratios and verdicts.

The network is LeNet after one epoch on MNIST, or on the digits where MNIST is not at hand. All take 40 steps of 2.5 * eps / 40
in linf from a random start; foolbox and the plain loop run at 250 images a batch in float32. dlcli runs as `dlcli attack` does
(an example leaves the pool at its first success; steps in bfloat16 where that is native), in float32, and with `full`, all
steps for every image. Accuracies are judged in float32; `other verdicts` counts the images on which a rival and dlcli
disagree, which random starts of their own bring too.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.attacks import load_attack
from dlcli.core.data import open_data
from dlcli.core.loop import predict_logits, train
from dlcli.core.models import open_model
from dlcli.support.report import SILENT

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist.npz"
CPU = torch.device("cpu")
STEPS, BATCH = 40, 250
Rival = Callable[[nn.Module, Tensor, Tensor, float], Tensor]


def plain_loop(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """PGD in linf, a batch at a time."""
    done = []
    for images, labels in zip(x.split(BATCH), y.split(BATCH), strict=True):
        found = (images + torch.empty_like(images).uniform_(-eps, eps)).clamp(0, 1)
        for _ in range(STEPS):
            found.requires_grad_(True)
            (gradient,) = torch.autograd.grad(cross_entropy(model(found), labels), found)
            found = found.detach() + 2.5 * eps / STEPS * gradient.sign()
            found = torch.min(torch.max(found, images - eps), images + eps).clamp(0, 1)
        done.append(found.detach())
    return torch.cat(done)


def foolbox_loop(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """The same by foolbox."""
    import foolbox

    attack = foolbox.attacks.LinfProjectedGradientDescentAttack(rel_stepsize=2.5 / STEPS, steps=STEPS)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    pairs = zip(x.split(BATCH), y.split(BATCH), strict=True)
    return torch.cat([attack.run(wrapped, images, labels, epsilon=eps) for images, labels in pairs])


def rivals() -> dict[str, Rival]:
    """Every way to compute the same attack."""
    pgd = load_attack("pgd").with_options(steps=STEPS)
    exact = pgd.with_options(precision="float32")
    return {
        "dlcli": lambda model, x, y, eps: pgd(model, x, y, eps=eps),
        "dlcli float32": lambda model, x, y, eps: exact(model, x, y, eps=eps),
        "dlcli full": lambda model, x, y, eps: pgd(model, x, y, eps=eps, full=True),
        "foolbox": foolbox_loop,
        "plain loop": plain_loop,
    }


def trained(images: int) -> tuple[nn.Module, Tensor, Tensor]:
    """The network after an epoch, in evaluation mode, and the test images and labels to attack."""
    data = open_data(str(DATA) if DATA.exists() else "digits")
    arch = open_model("lenet" if DATA.exists() else "digits-net", data)
    torch.manual_seed(0)
    model = arch.build()
    with SILENT.task("") as task:
        train(model, data.x_train, data.y_train, replace(arch.recipe, epochs=1), seed=0, device=CPU, task=task)
    return model, data.x_test[:images], data.y_test[:images]


def one_round(runs: dict[str, Rival], model: nn.Module, x: Tensor, y: Tensor, eps: float) -> dict[str, tuple[float, Tensor]]:
    """For each rival in turn: CPU seconds, and the images it found."""
    found = {}
    for name, run in runs.items():
        start = time.process_time()
        images = run(model, x, y, eps)
        found[name] = (time.process_time() - start, images)
    return found


def main() -> None:
    """Print a row for each eps and rival."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--eps", type=float, nargs="+", default=[0.1, 0.2, 0.3])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, x, y = trained(options.images)
    print(f"PGD-{STEPS}, {len(x):,} images, {options.threads} thread(s), median of {options.rounds} rounds")
    for eps in options.eps:
        runs = rivals()
        for run in runs.values():
            run(model, x[:50], y[:50], eps)
        rounds = [one_round(runs, model, x, y, eps) for _ in range(options.rounds)]
        right = {name: predict_logits(model, found, device=CPU).argmax(1) == y for name, (_, found) in rounds[0].items()}
        for name in runs:
            seconds = statistics.median(found[name][0] for found in rounds)
            ratio = statistics.median(found[name][0] / found["dlcli"][0] for found in rounds)
            accuracy, other = float(right[name].double().mean()), int((right[name] != right["dlcli"]).sum())
            times = f"{seconds:6.2f} CPU s  {ratio:5.2f} times dlcli"
            print(f"eps {eps:g}  {name:14} {times}  accuracy {accuracy:.3f}  other verdicts {other}")


if __name__ == "__main__":
    main()
