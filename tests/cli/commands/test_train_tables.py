"""What `dlcli train` prints of a comparison, beside what its page shows."""

from dataclasses import fields, replace

from matplotlib.figure import Figure

from dlcli.cli.commands.train import COMMAND
from dlcli.core.html_report.parts import PageTable
from dlcli.core.proportion import proportion
from dlcli.engines.train.page import comparison_page
from dlcli.specs.estimates import Difference
from dlcli.specs.train_result import Comparison, TrainResult, TrainRow


def test_the_page_names_and_rounds_as_the_terminal_does():
    shares = {"test accuracy": -0.018, "training accuracy": 0.00049}
    counts = {"epochs to fit": -1.8, "steps to fit": 20.0, "epochs to level": 0.25, "seconds": 1.23456}
    found = tuple(
        Comparison(
            metric=metric, first=2 * value, second=value, difference=Difference(value, value - 0.5, value + 0.5, 4), verdict=""
        )
        for metric, value in (shares | counts).items()
    )
    row = TrainRow(**{item.name: 1 for item in fields(TrainRow)} | {"accuracy": proportion(3, 4), "variant": "a"})
    rows = (row, replace(row, variant="b"))
    facts = {
        "data": "d",
        "unit": "image",
        "model": "m",
        "surgery": (),
        "n_train": 9,
        "n_test": 4,
        "folder": "",
        "device": "cpu",
    }
    result = TrainResult(rows=rows, comparisons=found, level=0.835, **facts)
    shown = COMMAND.table(result)
    (page,) = [
        part
        for part in comparison_page(result, Figure(), watched="test").parts
        if isinstance(part, PageTable) and part.headers[0] == "metric"
    ]
    for on_page, on_terminal in zip(page.rows, shown.rows, strict=False):
        assert on_page[0].replace("training accuracy", "training") == on_terminal[0]
        assert " ".join(on_page[1]) == on_terminal[1]
        assert on_page[3:5] == list(on_terminal[3:])
    assert [line[0] for line in shown.rows][2:5] == ["epochs to 99%", "steps to 99%", "epochs to 83.5%"]
