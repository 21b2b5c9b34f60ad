"""Attacks compared with those of foolbox, torchattacks and ART, in turn in one process: CPU seconds, ratios and results.

The network is LeNet after one epoch on MNIST, or a small one on the digits where MNIST is missing. Peers run 250 images per
batch, dlcli its default, all on one thread. `times` is dlcli's CPU seconds over the peer's, the median over rounds;
`disagree` counts the images that only one of a peer and dlcli fools, which random starts cause too. Accuracies are evaluated in
float32.

Not all do the same work, and that is the point: all measure whether an image withstands the attack. dlcli runs as
`dlcli attack` does: it stops working on an image after the first success, and PGD steps in bfloat16 where that is native.
`float32` and `full` (all steps for every image) show the gain from each of these.

torchattacks requires a version of requests from 2020, so the dev extra does not include it; `--no-deps` keeps the newer one.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack
from dlcli.core.attacks.minimum_norm import MinimumNorm
from dlcli.core.compute.forward import predict_logits
from dlcli.core.data import open_data
from dlcli.core.model_io.untrained import open_model
from dlcli.core.training.loop import train
from dlcli.support.reporter import SILENT

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist.npz"
CPU = torch.device("cpu")
BATCH = 250
PEERS = {
    "foolbox": ("foolbox", "foolbox"),
    "torchattacks": ("torchattacks", "--no-deps torchattacks==3.5.1"),
    "ART": ("art", "adversarial-robustness-toolbox"),
}
"""For each peer the module to import, and the arguments of `pip install`."""

Run = Callable[[nn.Module, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Comparison:
    """The same attack in several libraries; dlcli may take `asked` times the CPU seconds of the fastest of `against`."""

    title: str
    asked: float
    against: tuple[str, ...]
    runs: Mapping[str, Run]

    def installed(self) -> "Comparison":
        """Without the peers that are not installed."""
        return replace(self, runs={name: run for name, run in self.runs.items() if not _missing(name)})


def _missing(name: str) -> bool:
    return name in PEERS and importlib.util.find_spec(PEERS[name][0]) is None


def in_batches(run: Run) -> Run:
    """`run` on 250 images at a time."""

    def whole(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([run(model, images, labels) for images, labels in zip(x.split(BATCH), y.split(BATCH), strict=True)])

    return whole


def dlcli(name: str, eps: float, *, full: bool = False, **options: object) -> Run:
    """An attack of dlcli within eps in linf."""
    attack: Attack = load_attack(name).with_options(**options)
    return lambda model, x, y: attack(model, x, y, eps=eps, full=full)


def dlcli_nearest(name: str, norm: str) -> Run:
    """A minimum-norm attack of dlcli without a limit on the perturbation."""
    attack = load_attack(name)
    if not isinstance(attack, MinimumNorm):
        raise TypeError(f"{name} is not a minimum-norm attack")
    return lambda model, x, y: attack.nearest(model, x, y, norm=norm).images


def foolbox(name: str, eps: float | None, **options: object) -> Run:
    """An attack of foolbox; eps None for one that minimises the norm."""

    def run(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        from foolbox import PyTorchModel, attacks

        within = {} if eps is None else {"epsilon": eps}
        return getattr(attacks, name)(**options).run(PyTorchModel(model, bounds=(0, 1), device=CPU), x, y, **within)

    return in_batches(run)


def torchattacks(name: str, **options: object) -> Run:
    """An attack of torchattacks."""

    def run(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        import torchattacks

        return getattr(torchattacks, name)(model, **options)(x, y).detach()

    return in_batches(run)


def art(name: str, **options: object) -> Run:
    """An attack of ART, which splits batches itself and works on arrays."""

    def run(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        from art.attacks import evasion
        from art.estimators.classification import PyTorchClassifier

        wrapped = PyTorchClassifier(model, nn.CrossEntropyLoss(), tuple(x.shape[1:]), 10, clip_values=(0, 1), device_type="cpu")
        attack = getattr(evasion, name)(wrapped, batch_size=BATCH, **options)
        return torch.from_numpy(attack.generate(x.numpy(), y.numpy()))

    return run


def fgsm() -> list[Comparison]:
    """One step."""
    eps = 0.2
    runs = {
        "dlcli": dlcli("fgsm", eps),
        "foolbox": foolbox("LinfFastGradientAttack", eps),
        "torchattacks": torchattacks("FGSM", eps=eps),
        "ART": art("FastGradientMethod", eps=eps),
    }
    return [Comparison(f"FGSM, eps {eps:g}", 0.8, tuple(PEERS), runs)]


def pgd() -> list[Comparison]:
    """Forty steps from a random start, at three eps."""
    return [_pgd(eps) for eps in (0.1, 0.2, 0.3)]


def _pgd(eps: float) -> Comparison:
    steps = 40
    size = 2.5 * eps / steps
    runs = {
        "dlcli": dlcli("pgd", eps, steps=steps),
        "dlcli float32": dlcli("pgd", eps, steps=steps, precision="float32"),
        "dlcli full": dlcli("pgd", eps, steps=steps, full=True),
        "foolbox": foolbox("LinfProjectedGradientDescentAttack", eps, abs_stepsize=size, steps=steps),
        "torchattacks": torchattacks("PGD", eps=eps, alpha=size, steps=steps),
        "ART": art("ProjectedGradientDescent", eps=eps, eps_step=size, max_iter=steps, num_random_init=1, verbose=False),
    }
    return Comparison(f"PGD-{steps}, eps {eps:g}", 0.2, tuple(PEERS), runs)


def deepfool() -> list[Comparison]:
    """The nearest boundary in l2.

    torchattacks runs images one by one, and ART a batch for as long as its last image: they take minutes and are skipped.
    """
    runs = {"dlcli": dlcli_nearest("deepfool", "l2"), "foolbox": foolbox("L2DeepFoolAttack", None, candidates=10)}
    return [Comparison("DeepFool in l2, until all images are fooled", 0.3, ("foolbox",), runs)]


def square() -> list[Comparison]:
    """At most 500 queries per image; ART is skipped because it uses squares of other sizes."""
    eps, queries = 0.2, 500
    runs = {
        "dlcli": dlcli("square", eps, queries=queries),
        "torchattacks": torchattacks("Square", eps=eps, n_queries=queries - 1, resc_schedule=False),
    }
    return [Comparison(f"Square, eps {eps:g}, {queries} queries", 1.0, ("torchattacks",), runs)]


COMPARISONS = {"fgsm": fgsm, "pgd": pgd, "deepfool": deepfool, "square": square}


def trained(images: int) -> tuple[nn.Module, Tensor, Tensor]:
    """Train the network for an epoch.

    Returns:
        The network in evaluation mode, and the test images and labels to attack.
    """
    data = open_data(str(DATA) if DATA.exists() else "digits")
    arch = open_model("lenet" if DATA.exists() else "digits-net", data)
    torch.manual_seed(0)
    model = arch.build()
    with SILENT.task("") as task:
        train(model, data.x_train, data.y_train, replace(arch.recipe, epochs=1), seed=0, device=CPU, task=task)
    return model, data.x_test[:images], data.y_test[:images]


def one_round(runs: Mapping[str, Run], model: nn.Module, x: Tensor, y: Tensor) -> dict[str, tuple[float, Tensor]]:
    """Run each library once.

    Args:
        runs: The attack by library.
        model: The network.
        x: The images.
        y: Their labels.

    Returns:
        For each library its CPU seconds and the images that it made.
    """
    found = {}
    for name, run in runs.items():
        start = time.process_time()
        images = run(model, x, y)
        found[name] = (time.process_time() - start, images)
    return found


def compare(comparison: Comparison, model: nn.Module, x: Tensor, y: Tensor, rounds: int) -> None:
    """Print one row per library, and the ratio next to the one that is asked for.

    Args:
        comparison: What to run.
        model: The network.
        x: The images.
        y: Their labels.
        rounds: How often to run everything; medians are printed.
    """
    one_round(comparison.runs, model, x[:BATCH], y[:BATCH])
    found = [one_round(comparison.runs, model, x, y) for _ in range(rounds)]
    right = {name: predict_logits(model, images, device=CPU).argmax(1) == y for name, (_, images) in found[0].items()}
    ratio = {name: statistics.median(one["dlcli"][0] / one[name][0] for one in found) for name in comparison.runs}
    print(comparison.title)
    for name in comparison.runs:
        seconds = statistics.median(one[name][0] for one in found)
        accuracy, other = float(right[name].double().mean()), int((right[name] != right["dlcli"]).sum())
        print(f"  {name:14} {seconds:7.3f} CPU s  {ratio[name]:5.2f} times  accuracy {accuracy:.3f}  disagree {other}")
    rivals = [name for name in comparison.against if name in ratio]
    if rivals:
        fastest = max(rivals, key=lambda name: ratio[name])
        print(f"  dlcli takes {ratio[fastest]:.2f} times {fastest}'s; asked for: at most {comparison.asked:g}")


def main() -> None:
    """Run the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=COMPARISONS, metavar="NAME", help=f"one of {', '.join(COMPARISONS)}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, x, y = trained(options.images)
    print(f"{len(x):,} images of {DATA.name if DATA.exists() else 'digits'}, one thread, median of {options.rounds} rounds")
    for name in filter(_missing, PEERS):
        print(f"{name} is not installed and is skipped: pip install {PEERS[name][1]}")
    for name, comparisons in COMPARISONS.items():
        if options.only in (None, name):
            for comparison in comparisons():
                compare(comparison.installed(), model, x, y, options.rounds)


if __name__ == "__main__":
    main()
