"""A DataFrame holds what the command prints."""

import io

import pandas as pd
import pytest

from dlcli.engines import dedupe, predict
from dlcli.engines import list as listing
from dlcli.engines.frame import frame
from dlcli.specs.attack import AttackConfig
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.list import ListConfig
from dlcli.specs.predict import PredictConfig
from dlcli.support.tables import cell_text
from tests.conftest import Run


@pytest.mark.parametrize(
    ("words", "result"),
    [
        (("dedupe", "questions"), lambda: dedupe.run(DedupeConfig(table="questions"))),
        (("list", "attacks"), lambda: listing.run(ListConfig(kind="attacks"))),
        (("predict", "--limit", "9", "--device", "cpu"), lambda: predict.run(PredictConfig(limit=9, device="cpu"))),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_frame_is_the_csv_of_the_command(words: tuple[str, ...], result, dlcli: Run):
    printed = pd.read_csv(io.BytesIO(dlcli(*words, "--format", "csv").stdout), dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(_blank(frame(result())).map(cell_text), printed, check_dtype=False)


def test_a_frame_of_a_single_result_has_its_records(dlcli: Run):
    from dlcli.engines import attack

    config = AttackConfig(eps="8/255", limit=20, device="cpu")
    printed = dlcli("attack", "--eps", "8/255", "--limit", "20", "--device", "cpu", "--format", "jsonl").stdout
    read = _blank(pd.read_json(io.BytesIO(printed), lines=True))
    pd.testing.assert_frame_equal(_blank(frame(attack.run(config))), read, check_dtype=False)


def _blank(table: pd.DataFrame) -> pd.DataFrame:
    """The table with "" for what is missing."""
    return table.astype(object).where(table.notna(), "")
