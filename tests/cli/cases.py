"""How to run each subcommand in a second or two, and how to make it fail; a new subcommand adds one Case."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One subcommand: `quick` runs it whole, `missing` names a file that is not there, `output` is a name for -o."""

    name: str
    quick: tuple[str, ...]
    missing: tuple[str, ...]
    output: str
    endless: tuple[str, ...]


CASES = (
    Case(
        name="train",
        quick=("--epochs", "1", "--device", "cpu"),
        missing=("--data", "no-such.npz"),
        output="run",
        endless=("--epochs", "100000", "--device", "cpu", "-v"),
    ),
    Case(
        name="eval",
        quick=("--limit", "100", "--device", "cpu"),
        missing=("no-such-run",),
        output="report",
        endless=("--seed", "1", "--device", "cpu", "-v"),
    ),
    Case(
        name="predict",
        quick=("--limit", "20", "--device", "cpu"),
        missing=("no-such-run",),
        output="labels.csv",
        endless=("--seed", "2", "--device", "cpu", "-v"),
    ),
    Case(
        name="ensemble",
        quick=("--members", "2", "--epochs", "1", "--device", "cpu"),
        missing=("--data", "no-such.npz"),
        output="ensemble",
        endless=("--epochs", "100000", "--device", "cpu", "-v"),
    ),
    Case(
        name="attack",
        quick=("--limit", "20", "--epochs", "1", "--members", "2", "--ensemble", "max", "--device", "cpu"),
        missing=("--data", "no-such.npz"),
        output="report",
        endless=("--epochs", "100000", "--seed", "1", "--device", "cpu", "-v"),
    ),
    Case(
        name="probe-gradients",
        quick=("--seeds", "2", "--points", "32", "--device", "cpu"),
        missing=("--model", "mlp", "--data", "no-such.npz"),
        output="report",
        endless=("--seeds", "100000", "--device", "cpu", "-v"),
    ),
    Case(
        name="convert-2d-to-3d",
        quick=("cifar-resnet-8", "--size", "16"),
        missing=("--arch", "cifar-resnet-8", "no-such.pth"),
        output="video.safetensors",
        endless=("resnet18", "--frames", "64", "-v"),
    ),
    Case(
        name="dedupe",
        quick=("questions",),
        missing=("no-such.csv",),
        output="out.csv",
        endless=("-",),
    ),
)
