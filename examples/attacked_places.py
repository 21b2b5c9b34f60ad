"""How far attacks get on masks and on sequences, beside noise of the same size, as Markdown.

python examples/attacked_places.py camvid/ -o attacked.md
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from _page import page_options, run_script, table, today, write_page

from dlcli.engines import attack, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.figures import percent
from dlcli.specs.task_attack import AttackedMetric, TaskAttackResult
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError

EPS_OF_MASKS, EPS_OF_SEQUENCES = (1 / 255, 4 / 255, 8 / 255), (0.1, 0.3, 0.5)


def main() -> None:
    """Train, attack, and print or write the Markdown."""
    parser = page_options(__doc__)
    parser.add_argument("data", help="as of --data of dlcli train, with masks")
    parser.add_argument("--limit", type=int, default=60, help="pictures that are attacked (default: 60)")
    parser.add_argument("--pages", type=Path, help="write the pages of both attacks below this directory")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        masks, digits = Path(folder) / "masks", Path(folder) / "digits"
        common = {"device": "cpu", "seed": options.seed}
        train.run(TrainConfig(data=options.data, task="segment", size=60, epochs=4, output=masks, **common))
        train.run(TrainConfig(data="digits", task="sequence", model="tcn", output=digits, **common))
        of_masks = attacked(
            masks, options.data, EPS_OF_MASKS, limit=options.limit, output=page(options.pages, "masks"), **common
        )
        of_digits = attacked(digits, "digits", EPS_OF_SEQUENCES, output=page(options.pages, "digits"), **common)
    parts = [shown(of_masks, 255), of_masks.threat_model, shown(of_digits, 1), of_digits.threat_model]
    facts = f"Measured on {today()}, {of_masks.device}: {Path(options.data).name}, {of_masks.n_images} pictures, and digits."
    write_page("\n\n".join([*parts, facts]) + "\n", options.output)


def page(folder: Path | None, name: str) -> Path | None:
    """The directory of a page."""
    return None if folder is None else folder / name


def attacked(run: Path, data: str, eps: tuple[float, ...], **options: object) -> TaskAttackResult:
    """What FGSM and PGD leave of a run."""
    result = attack.run(AttackConfig(model=str(run), data=data, method="fgsm,pgd", steps=10, eps=eps, **options))
    if not isinstance(result, TaskAttackResult):
        raise InputError(f"{data}: is of another task")
    return result


def shown(result: TaskAttackResult, units: int) -> str:
    """A row for each eps and attack."""
    of = "/255" if units > 1 else ""
    names = [one.name for one in result.clean.metrics]
    head = ["eps", "attack", *(cell for name in names for cell in (f"{name}, %", "minus clean, points"))]
    rows = [
        [f"{row.eps * units:g}{of}", row.method, *(cell for one in row.metrics for cell in cells(one))] for row in result.rows
    ]
    return table(head, rows)


def cells(one: AttackedMetric) -> tuple[str, str]:
    """A figure, and how far it is below that of the clean examples."""
    return percent(one.estimate), percent(one.minus_clean) or "–"


if __name__ == "__main__":
    run_script(main)
