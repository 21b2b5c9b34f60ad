"""What `dlcli predict` shows on a terminal."""

from dlcli.cli.commands.predict import COMMAND
from dlcli.cli.layout import lines
from dlcli.specs.predict import PredictResult
from dlcli.support.tables import Table


def test_every_label_stands_in_one_table_with_its_probability():
    columns = ["index", "file", "label", "probability", "label_2", "probability_2", "label_3", "probability_3"]
    rows = [
        [0, "spring/one.png", "tulip", 0.5, "rose", 0.3, "daisy", 0.2],
        [1, "spring/two.png", "rose", 0.9, "tulip", 0.1, "daisy", 0.0],
    ]
    given = {"data": "photos", "split": "", "unit": "image", "model": "net", "model_sha256": "", "device": "cpu"}
    shown = COMMAND.table(PredictResult(**given, n_images=2, seconds=0.0, table=Table(columns, rows)))
    assert shown.columns == ("index", "file", "label", "probability, %", "label 2 (%)", "label 3 (%)")
    assert shown.rows[0] == ("0", "spring/one.png", "tulip", "50.0", "rose (30.0)", "daisy (20.0)")
    drawn = [line.text for line in lines(shown, 80, verbose=False, pictures=True)]
    assert sum("one.png" in line for line in drawn) == 1
