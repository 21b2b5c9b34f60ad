"""PGD on ResNet-50 beside foolbox and torchattacks, in turn: images times steps per second, and host synchronisations."""

import warnings
from collections.abc import Callable, Iterator

import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.attacks import load_attack
from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.precision import float32_precision
from dlcli.core.compute.rng import generator

from .networks import seeded
from .rows import Row, holds, measured, not_measured, not_on_cpu
from .setup import Setup, why_missing
from .timing import median_seconds

EPS, SIZE = 4 / 255, 1 / 255
STEPS = {"bfloat16": 20, "float32": 10}
"""Steps of a run. In float32 a step takes several times as long."""
PEERS = ("foolbox", "torchattacks")

Attack = Callable[[Tensor, Tensor, int], Tensor]
"""Takes images, labels and a number of steps."""


class Autocast(nn.Module):
    """A network that computes in bfloat16: the way in which the peers and the bare loop get there."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Logits in float32."""
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            logits: Tensor = self.inner(x)
        return logits.float()


def bare(model: nn.Module) -> Attack:
    """Nothing but forward and backward passes: what no attack can be faster than."""

    def run(x: Tensor, y: Tensor, steps: int) -> Tensor:
        for _ in range(steps):
            given = x.detach().requires_grad_()
            torch.autograd.grad(cross_entropy(model(given), y, reduction="sum"), given)
        return x

    return run


def dlcli(model: nn.Module, precision: str, *, full: bool = True) -> Attack:
    """PGD of dlcli; by default all steps for every image, as the peers take."""

    def run(x: Tensor, y: Tensor, steps: int) -> Tensor:
        attack = load_attack("pgd").with_options(steps=steps, precision=precision)
        return attack(model, x, y, eps=EPS, full=full, batch_size=len(x))

    return run


def foolbox(model: nn.Module) -> Attack:
    """PGD of foolbox."""

    def run(x: Tensor, y: Tensor, steps: int) -> Tensor:
        from foolbox import PyTorchModel, attacks

        attack = attacks.LinfProjectedGradientDescentAttack(abs_stepsize=SIZE, steps=steps)
        found: Tensor = attack.run(PyTorchModel(model, bounds=(0, 1), device=x.device), x, y, epsilon=EPS)
        return found

    return run


def torchattacks(model: nn.Module) -> Attack:
    """PGD of torchattacks."""

    def run(x: Tensor, y: Tensor, steps: int) -> Tensor:
        import torchattacks

        found: Tensor = torchattacks.PGD(model, eps=EPS, alpha=SIZE, steps=steps)(x, y).detach()
        return found

    return run


def pgd_speed(setup: Setup) -> Iterator[Row]:
    """All libraries in bfloat16, then in float32."""
    model, x, y = _problem(setup)
    missing = {name: why_missing(name) for name in PEERS}
    for name, why in missing.items():
        if why:
            yield not_measured(f"PGD of {name}", why)
    for dtype in STEPS:
        peer = model if dtype == "float32" else Autocast(model).eval()
        makers = {"foolbox": foolbox, "torchattacks": torchattacks}
        runs = {"dlcli": dlcli(model, "float32" if dtype == "float32" else "fast"), "bare": bare(peer)}
        runs |= {name: make(peer) for name, make in makers.items() if not missing[name]}
        with float32_precision("ieee"):  # as attacks of dlcli always are, so that all compute the same
            yield from _correct(runs, dtype, model, x, y)
            yield from _compared(setup, runs, dtype, x, y)


def _problem(setup: Setup) -> tuple[nn.Module, Tensor, Tensor]:
    """ResNet-50 with random weights, images, and the classes that it predicts for them."""
    n, side = setup.size((4, 32), (256, 224))
    model = seeded(torchvision.models.resnet50).eval().to(setup.device, memory_format=torch.channels_last)
    x = torch.rand(n, 3, side, side, generator=generator(0)).to(setup.device)
    y = predict_logits(model, x, device=setup.device).argmax(1).to(setup.device)
    return model.requires_grad_(False), x.contiguous(memory_format=torch.channels_last), y


def _correct(runs: dict[str, Attack], dtype: str, model: nn.Module, x: Tensor, y: Tensor) -> Iterator[Row]:
    """Before speed: every library stays within eps, and ours raises the loss as far as the others do."""
    losses = {}
    for name, run in runs.items():
        if name != "bare":
            found = run(x, y, 3)
            within = bool((found - x).abs().max() <= EPS + 1e-6) and bool((found >= 0).all() and (found <= 1).all())
            with torch.no_grad():
                losses[name] = float(cross_entropy(model(found), y))
            if name == "dlcli":
                yield holds(f"PGD {dtype} stays within eps", within, "within eps and [0, 1]")
    with torch.no_grad():
        clean = float(cross_entropy(model(x), y))
    note = ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
    yield holds(f"PGD {dtype} raises the loss", losses["dlcli"] > clean, f"> {clean:.3f}", f"3 steps: {note}")


def _compared(setup: Setup, runs: dict[str, Attack], dtype: str, x: Tensor, y: Tensor) -> Iterator[Row]:
    steps = setup.size(2, STEPS[dtype])
    warm_ups = {name: (lambda run=run: run(x, y, 2)) for name, run in runs.items()}
    found = median_seconds(setup, {name: (lambda run=run: run(x, y, steps)) for name, run in runs.items()}, warm_ups=warm_ups)
    rates = {name: len(x) * steps / seconds for name, seconds in found.items()}
    what = f"ResNet-50, {'x'.join(map(str, x.shape))}, {steps} steps"
    for name, rate in rates.items():
        yield measured(f"PGD {dtype}, {name}", rate, "image steps/s", note=what)
    yield measured(f"PGD {dtype}, dlcli over bare passes", rates["dlcli"] / rates["bare"], "times", target=setup.target(0.8))
    peers = [rates[name] for name in PEERS if name in rates]
    if peers:
        ratio = rates["dlcli"] / max(peers)
        yield measured(f"PGD {dtype}, dlcli over the faster peer", ratio, "times", target=setup.target(1.5))


def synchronisations(setup: Setup) -> Iterator[Row]:
    """How often a step of PGD makes the host wait, by torch's own count; in the tests of core a dispatch mode counts them."""
    if setup.device.type != "cuda":
        yield not_on_cpu("synchronisations per step", "torch counts them on CUDA only")
        return
    model, x, y = _problem(setup)
    for full in (False, True):
        run = dlcli(model, "fast", full=full)
        run(x, y, 2)
        few, many = _syncs(lambda run=run: run(x, y, 5)), _syncs(lambda run=run: run(x, y, 25))
        how = "all steps for every image" if full else "images leave at their first success"
        yield measured("synchronisations per step", (many - few) / 20, "", note=f"PGD bfloat16, {how}; {few} in 5 steps")


def _syncs(run: Callable[[], object]) -> int:
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            run()
        finally:
            torch.cuda.set_sync_debug_mode(before)
    return sum("synchroniz" in str(one.message).lower() for one in caught)


PARTS = (pgd_speed, synchronisations)
