"""Options and names of tables of predictions, which `dlcli eval` writes and reads."""

from typing import Any

from dlcli.specs.option import option
from dlcli.specs.pairs import parse_names

PREDICTIONS = "predictions.csv"
"""The table in the output folder of `dlcli eval`, one row per example."""
ROLES = ("truth", "label", "probability", "file", "classes")
"""What a column of predictions may be named for; `classes` is what stands before the names of classes."""
ENDINGS = ("csv", "tsv", "jsonl", "ndjson", "json", "parquet", "pq", "xlsx")
"""Endings of tables of predictions, or these and .gz."""


def is_prediction_file(name: str) -> bool:
    """Whether a name is that of a table, or - for standard input."""
    _, dot, ending = name.lower().removesuffix(".gz").rpartition(".")
    return name == "-" or bool(dot and ending in ENDINGS)


def pair_or_prediction_columns_option() -> Any:
    """`columns`: the columns of a table of labelled pairs, or of predictions."""
    return option(
        (),
        "Pairs: the two text columns and the label column (1, true, yes or duplicate; 0, false, no or different). Predictions: "
        "any of truth=NAME,label=NAME,probability=NAME,file=NAME and classes=PREFIX, with which columns of probabilities "
        "begin. Default: found by name and content.",
        parse=_parse,
        show=",".join,
        metavar="A,B,LABEL",
    )


def _parse(value: Any) -> tuple[str, ...]:
    names = tuple(value) if isinstance(value, (list, tuple)) else tuple(str(value).split(",")) if value else ()
    if not any("=" in name for name in names):
        return parse_names(names, example="question1,question2,is_duplicate")
    for name in names:
        role, equals, column = name.partition("=")
        if not (equals and column and role in ROLES):
            raise ValueError(f"'{name}' is not ROLE=NAME with one of {', '.join(ROLES)}")
    if len({name.partition("=")[0] for name in names}) < len(names):
        raise ValueError("a role is given twice")
    return names
