"""Agreement of what is computed with a network: logits, attacks, gradients and conversions."""

from collections.abc import Iterator
from dataclasses import fields, replace

import torch
import torchvision
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack
from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.rng import generator
from dlcli.core.gradients.input_gradients import Derivative, input_gradients
from dlcli.core.inflate.convert import Inflation
from dlcli.core.inflate.verification import verify
from dlcli.core.models.zoo import cifar_resnet
from dlcli.engines import probe_gradients
from dlcli.specs.convert_2d_to_3d import TOLERANCE
from dlcli.specs.probe_gradients import GradientRow, ProbeGradientsConfig

from .networks import Classifier, classifier, on, seeded
from .rows import ITSELF, Row, Status, at_least, at_most, not_on_cpu
from .setup import CPU, Setup

STEPS = 10
QUERIES = 50
ATTACKS = {
    "fgsm": {},
    "pgd": {"steps": STEPS},
    "apgd-ce": {"steps": STEPS},
    "square": {"queries": QUERIES},
    "fmn": {"steps": STEPS},
}
"""Few steps, since the CPU has to take them too."""


def logits_agree(setup: Setup) -> Iterator[Row]:
    """Logits of `predict_logits`, as every evaluation computes them: largest error over largest logit."""
    found = classifier(setup, setup.size(200, 1000))
    ours = predict_logits(on(found.model, setup.device), found.x, device=setup.device)
    theirs = _reference_logits(setup, found.model, found.x)
    yield at_most("logits", _largest(ours, theirs), 1e-5, f"{found.note}, {setup.against}")


def _reference_logits(setup: Setup, model: nn.Module, x: Tensor) -> Tensor:
    return predict_logits(on(model, CPU, setup.reference), x.to(setup.reference), device=CPU)


def _largest(found: Tensor, wanted: Tensor) -> float:
    found, wanted = found.double().cpu(), wanted.double().cpu()
    return float((found - wanted).abs().max() / wanted.abs().max())


def verdicts_agree(setup: Setup) -> Iterator[Row]:
    """Each attack, run on the device and on the CPU, fools the same images; both are evaluated where they were run."""
    found = classifier(setup, setup.size(200, 1000))
    for name, options in ATTACKS.items():
        attack = load_attack(name)
        known = {field.name for field in fields(attack)}
        attack = attack.with_options(**options, **({"precision": "float32"} if "precision" in known else {}))
        ours = _withstood(attack, on(found.model, setup.device), found, torch.float32, setup.device)
        theirs = _withstood(attack, on(found.model, CPU, setup.reference), found, setup.reference, CPU)
        right = float(theirs.double().mean())
        row = at_least(f"{name}: same verdicts", float((ours == theirs).double().mean()), 0.995)
        note = f"{right:.1%} withstand eps {_eps(found):g}; {found.note}, {setup.against}"
        # Where all images are fooled or none is, verdicts agree whatever the attack does.
        yield replace(row, note=note, status=row.status if 0 < right < 1 else Status.FAILED)


def _eps(found: Classifier) -> float:
    return 0.1 if found.x.shape[1] == 1 else 0.5 / 255


def _withstood(attack: Attack, model: nn.Module, found: Classifier, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Which images the network still classifies correctly, (n,)."""
    x, y = found.x.to(dtype), found.y
    return predict_logits(model, attack(model, x, y, eps=_eps(found)), device=device).argmax(1) == y


def gradients_agree(setup: Setup) -> Iterator[Row]:
    """Gradients by the input in float64, beside those of one image at a time by autograd on the CPU."""
    found = classifier(setup, setup.size(20, 100))
    model, x = on(found.model, CPU, torch.float64), found.x.double()
    ours = input_gradients(on(model, setup.device, torch.float64), x, Derivative("logit", 3), device=setup.device)
    theirs = torch.stack([_gradient(model, image) for image in x]).flatten(1)
    yield at_most("gradients by the input, float64", _largest(ours, theirs), 1e-8, found.note)


def _gradient(model: nn.Module, image: Tensor) -> Tensor:
    given = image[None].clone().requires_grad_()
    return torch.autograd.grad(model(given)[0, 3], given)[0][0]


def probe_agrees(setup: Setup) -> Iterator[Row]:
    """The figures of `dlcli probe-gradients` on its own networks, which are float64."""
    config = ProbeGradientsConfig(depth=setup.size(4, 24), seeds=2, points=setup.size(32, 256), device=str(setup.device))
    ours = [number for row in probe_gradients.run(config).rows for number in _numbers(row)]
    theirs = [number for row in probe_gradients.run(replace(config, device="cpu")).rows for number in _numbers(row)]
    error, name = _largest(torch.tensor(ours), torch.tensor(theirs)), "figures of probe-gradients"
    if setup.on_cpu:
        yield not_on_cpu(name, ITSELF, error)
    else:
        yield at_most(name, error, 1e-8, "scalar-to-scalar networks")


def _numbers(row: GradientRow) -> list[float]:
    values = (row.acf1 and row.acf1.value, row.acf5 and row.acf5.value, row.slope, row.cosine)
    return [float(value) for value in values if value is not None]


@torch.no_grad()
def conversions_agree(setup: Setup) -> Iterator[Row]:
    """A network converted to video gives for a still clip what it gives for the image: the check of `convert-2d-to-3d`."""
    side = setup.size(16, 64)
    networks = {"i3d": lambda: cifar_resnet.build(3, (side, side), 10)}
    if not setup.small:
        networks["besnet"] = torchvision.models.resnet50
    for rule, build in networks.items():
        model = seeded(build).eval().to(setup.device)
        x = torch.rand(4, 3, side, side, generator=generator(0), dtype=torch.float64)
        found = verify(model, x, Inflation(rule=rule), (1, 2, 4))
        stage, frames, error = found.worst(torch.float64)
        note = f"float64, largest at {stage or 'input'} with {frames} frames; float32 {found.worst(torch.float32).error:.1e}"
        yield at_most(f"conversion by {rule}", error, TOLERANCE, note)


PARTS = (logits_agree, gradients_agree, probe_agrees, conversions_agree)
