"""`dlcli convert-2d-to-3d` at the shell."""

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.convert_2d_to_3d import TOLERANCE, Convert2DTo3DConfig, Convert2DTo3DResult
from dlcli.support.plural import count

_SHOWN = 6


def _table(result: Convert2DTo3DResult) -> TerminalTable:
    lengths = list(dict.fromkeys(row.frames for row in result.verification))
    errors = {(row.stage, row.frames): row for row in result.verification}
    stages = list(dict.fromkeys(row.stage for row in result.verification))
    columns = ("stage", *(count(k, "frame") for k in lengths), "float32")
    rows = []
    for stage in stages:
        found = [errors[stage, k] for k in lengths]
        worst = max(row.error_float32 for row in found)
        rows.append((stage, *(f"{row.error_float64:.1e}" for row in found), f"{worst:.1e}"))
    strong = frozenset(k for k, stage in enumerate(stages) if any(errors[stage, n].error_float64 > TOLERANCE for n in lengths))
    title = f"{result.model} by {result.rule}: relative errors of still clips beside their images"
    return TerminalTable(title, columns, tuple(rows), strong, (*_facts(result), *result.notes))


def _facts(result: Convert2DTo3DResult) -> tuple[str, ...]:
    layers = [f"{one.path} {_shape(one.before)} to {_shape(one.after)}" for one in result.layers[:_SHOWN]]
    more = f" and {len(result.layers) - _SHOWN} more" if len(result.layers) > _SHOWN else ""
    height, width = result.verification_size
    return (
        f"{count(len(result.layers), 'layer')} inflated: {', '.join(layers)}{more}.",
        f"Parameters: {result.parameters_before:,} before, {result.parameters_after:,} after. "
        f"Temporal pooling happens {f'before {result.head}' if result.head else 'after the network'}.",
        f"Equivalence check: {count(result.verification_images, 'random image')} of {height}x{width}; "
        f"{result.agree} of {result.compared} predictions name the same class.",
    )


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _summary(result: Convert2DTo3DResult) -> str:
    said = f"{count(len(result.layers), 'layer')} of {result.model} inflated by {result.rule}, error {result.worst:.1e}"
    return f"{said}, written to {result.file}" if result.file else said


COMMAND = Command(
    name="convert-2d-to-3d",
    config=Convert2DTo3DConfig,
    engine="dlcli.engines.convert_2d_to_3d",
    examples=(
        "dlcli convert-2d-to-3d resnet50 -o besnet50.safetensors",
        "dlcli convert-2d-to-3d my.pth --arch resnet50 --rule i3d -o i3d.safetensors",
        "dlcli convert-2d-to-3d runs/mine --dilations 1,2,4 --fuse-dilations -o mine.safetensors",
        "dlcli convert-2d-to-3d nets.py:Net --weights net.pt --recalibrate-bn photos/ -o net.safetensors --export net.pt2",
    ),
    table=_table,
    summary=_summary,
)
