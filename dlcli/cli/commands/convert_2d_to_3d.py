"""`dlcli convert-2d-to-3d` at the shell."""

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.convert_2d_to_3d import TOLERANCE, Convert2DTo3DConfig, Convert2DTo3DResult
from dlcli.support.plural import count


def _table(result: Convert2DTo3DResult) -> TerminalTable:
    """What changed, in a few rows; the errors of each stage and the inflated layers with -v."""
    height, width = result.verification_size
    worst = max((row.error_float32 for row in result.verification), default=0.0)
    example = "".join(f", such as {one.path}, {_shape(one.before)} to {_shape(one.after)}" for one in result.layers[:1])
    rows = (
        ("largest error", f"{result.worst:.1e} in float64, {worst:.1e} in float32"),
        ("top-1", f"equal in {result.agree} of {count(result.compared, 'prediction')}"),
        ("checked on", f"still clips of {count(result.verification_images, 'random image')} of {height}x{width}"),
        ("inflated", f"{count(len(result.layers), 'layer')}{example}"),
        ("parameters", f"{result.parameters_before:,} before, {result.parameters_after:,} after"),
        ("frames", f"averaged {f'before {result.head}' if result.head else 'after the network'}"),
    )
    notes = (*_first_difference(result), *result.notes)
    return TerminalTable("", ("", ""), rows, notes=notes, answer=_answer(result), details=(_stages(result), _layers(result)))


def _first_difference(result: Convert2DTo3DResult) -> list[str]:
    found = next((row for row in result.verification if row.error_float64 > TOLERANCE), None)
    return [f"The first stage that differs is {found.stage}, with {count(found.frames, 'frame')}."] if found else []


def _stages(result: Convert2DTo3DResult) -> TerminalTable:
    """The relative errors of each stage by the length of the clip."""
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
    return TerminalTable("errors by stage", columns, tuple(rows), strong)


def _layers(result: Convert2DTo3DResult) -> TerminalTable:
    rows = tuple((one.path, _shape(one.before), _shape(one.after)) for one in result.layers)
    return TerminalTable("inflated layers", ("layer", "weight before", "after"), rows)


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _answer(result: Convert2DTo3DResult) -> str:
    what = f"{count(len(result.layers), 'layer')} of {result.model} inflated by {result.rule}"
    error = f"largest relative error {result.worst:.1e}"
    if result.worst > TOLERANCE:
        return f"{what}: still clips do NOT give the same output, {error}"
    return f"{what}: still clips give the same output, {error}"


COMMAND = Command(
    name="convert-2d-to-3d",
    config=Convert2DTo3DConfig,
    engine="dlcli.engines.convert_2d_to_3d",
    examples=(
        "dlcli convert-2d-to-3d resnet50 -o besnet50.safetensors",
        "dlcli convert-2d-to-3d my.pth --arch resnet50 --rule i3d -o i3d.safetensors",
        "dlcli convert-2d-to-3d runs/mine --dilations 1,2,4 -o mine.safetensors",
        "dlcli convert-2d-to-3d net.py:Net --weights net.pt --export net.pt2",
    ),
    table=_table,
    answer=_answer,
)
