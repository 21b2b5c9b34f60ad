"""Tables that a Python program holds: lists of texts, and data frames."""

import warnings
from collections.abc import Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any

from dlcli.support.errors import InputError, ResourceError
from dlcli.support.in_memory import InMemory
from dlcli.support.tables import Table

if TYPE_CHECKING:
    import pandas as pd

TEXT = "text"
"""The column of texts without a name."""
_HINT = "give a list of texts, a Series or DataFrame of pandas or polars, or a data frame with __dataframe__"


def table_in_memory(spec: InMemory) -> Table:
    """The table that `spec` is, with the cells that a csv of it has; raises InputError if it is none.

    Texts are as they are, missing values are empty, and other values as pandas writes them.
    """
    value = spec.value
    if not hasattr(value, "__dataframe__") and not hasattr(value, "to_frame") and not hasattr(value, "to_pandas"):
        texts = _texts(spec, value)
        return Table([TEXT], [[text] for text in texts], name=spec)
    frame = _frame(value)
    columns = [_cells(frame.iloc[:, place]) for place in range(frame.shape[1])]
    if not columns:
        raise InputError(f"{spec}: has no columns")
    return Table([str(name) for name in frame.columns], [list(row) for row in zip(*columns, strict=True)], name=spec)


def _texts(spec: InMemory, value: Any) -> list[str]:
    if isinstance(value, (str, bytes, Mapping, Set)) or not isinstance(value, Iterable):
        raise InputError(f"{spec}: is not a table", hint=_HINT)
    found = ["" if one is None else one for one in value]
    wrong = next((k for k, one in enumerate(found) if not isinstance(one, str)), None)
    if wrong is not None:
        raise InputError(f"{spec}: item {wrong} is {type(found[wrong]).__name__}, not a text", hint=_HINT)
    return [str(one) for one in found]


def _frame(value: Any) -> "pd.DataFrame":
    """A data frame of pandas, of a series or another library's data frame."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return value
    if hasattr(value, "get_columns"):  # polars, of which `to_pandas` needs pyarrow and makes floats of numbers with gaps
        return pd.DataFrame({one.name: pd.Series(one.to_list(), dtype=object) for one in value.get_columns()})
    if hasattr(value, "__dataframe__"):
        with warnings.catch_warnings():  # pandas plans to drop the protocol, and other libraries have it meanwhile
            warnings.simplefilter("ignore")
            return pd.api.interchange.from_dataframe(value)
    if hasattr(value, "to_frame"):
        return _frame(value.to_frame(TEXT if value.name in (None, "") else value.name))
    try:
        return _frame(value.to_pandas())
    except ImportError as error:
        message = f"{type(value).__name__}: `to_pandas` fails: {error}"
        raise ResourceError(message, hint="install it, or give a DataFrame of pandas") from error


def _cells(column: "pd.Series[Any]") -> list[str]:
    missing = column.isna().tolist()
    values = column.astype(object).tolist()
    if any(not isinstance(one, str) for one, lacks in zip(values, missing, strict=True) if not lacks):
        values = _written(column)
    return ["" if lacks else str(one) for one, lacks in zip(values, missing, strict=True)]


def _written(column: "pd.Series[Any]") -> list[str]:
    """The cells as pandas writes them to a csv, whatever they hold."""
    import csv
    import io

    # With both characters as line ends, cells with either of them are quoted.
    text = column.to_csv(index=False, header=False, lineterminator="\r\n")
    return [row[0] if row else "" for row in csv.reader(io.StringIO(text, newline=""))]
