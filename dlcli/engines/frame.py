"""Results as pandas DataFrames, for notebooks and further analysis."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def frame(result: Any) -> "pd.DataFrame":
    """A result as a DataFrame: the rows that the command writes as CSV, with the columns of `--format csv`.

    Args:
        result: What the `run` of an engine returned.

    Returns:
        One row per row of the table, or per record of a single result. Whole numbers stay such where cells are missing.
    """
    import pandas as pd

    if result.KIND == "rows":
        found = pd.DataFrame(list(result.table.rows), columns=result.table.columns, dtype=object)
    else:
        found = pd.DataFrame.from_records(result.records()).astype(object)
    whole = {name: "Int64" for name in found.columns if {type(cell) for cell in found[name]} == {int, type(None)}}
    return found.astype(whole).infer_objects()
