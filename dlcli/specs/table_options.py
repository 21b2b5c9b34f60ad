"""Options that tell how a table is read, the same for every command that reads one."""

from typing import Any

from dlcli.specs.option import declared, one_of, option
from dlcli.support.decode import check_encoding
from dlcli.support.errors import UsageError
from dlcli.support.table_format import QUOTINGS, SINGLE, TableFormat, delimiter_named

PAIRS = "Pairs"
"""What the options apply to in commands that read tables of labelled pairs only."""
PREDICTIONS = "Pairs and predictions"
"""The same, in a command that reads tables of predictions too."""
FIELDS = ("encoding", "delimiter", "quoting", "skip", "no_header", "max_cell", "skip_bad", "sheet")
"""Names of the fields that `table_format` reads."""


def _help(for_what: str, text: str) -> str:
    return f"{for_what}: {text[0].lower()}{text[1:]}" if for_what else text


def encoding_option(
    for_what: str = "", *, of: str = "the table", default: str = "that of its byte order mark, else utf-8"
) -> Any:
    """`encoding`: the encoding of the text of a table."""
    return option(None, _help(for_what, f"Text encoding of {of}. Default: {default}."), metavar="NAME")


def delimiter_option(for_what: str = "") -> Any:
    """`delimiter`: what separates cells."""
    text = "Separator of cells: a character, tab, or none for a single column. Default: detected."
    return option(None, _help(for_what, text), metavar="CHAR")


def quoting_option(for_what: str = "") -> Any:
    """`quoting`: what quotes mean."""
    text = (
        "Quotes enclose cells and are doubled inside them (minimal), only mean themselves (none), or are escaped by "
        "backslashes (backslash). Default: minimal; a table for which that is doubtful is refused."
    )
    return option(None, _help(for_what, text), choices=one_of(*QUOTINGS))


def skip_option(for_what: str = "") -> Any:
    """`skip`: lines to skip before the header."""
    return option(0, _help(for_what, "Skip N lines before the header."), minimum=0, metavar="N")


def no_header_option(for_what: str = "") -> Any:
    """`no_header`: whether the first line is a row."""
    text = "The table has no header: the first line is a row, and columns are called 1, 2 ..."
    return option(False, _help(for_what, text))


def max_cell_option(for_what: str = "") -> Any:
    """`max_cell`: how long a cell may be."""
    return option(1_000_000, _help(for_what, "Refuse cells longer than this many characters."), minimum=1)


def skip_bad_option(for_what: str = "") -> Any:
    """`skip_bad`: where rows with too few or too many cells go."""
    text = (
        "Skip rows with too few or too many cells, and write them to this csv file with their line numbers, instead of "
        "refusing the table."
    )
    return option(None, _help(for_what, text), metavar="FILE", writes=True)


def sheet_option(for_what: str = "") -> Any:
    """`sheet`: which sheet of a workbook is read."""
    return option(None, _help(for_what, "Sheet of an Excel workbook. Default: the first."), metavar="NAME")


def table_format(config: Any) -> TableFormat:
    """The format that the fields of a configuration describe."""
    return TableFormat(
        encoding=config.encoding,
        delimiter=None if config.delimiter is None else delimiter_named(config.delimiter),
        quoting=config.quoting,
        skip=config.skip,
        no_header=config.no_header,
        max_cell=config.max_cell,
        skip_bad=config.skip_bad is not None,
        sheet=config.sheet,
    )


def check_table_options(config: Any) -> None:
    """Raise UsageError if `delimiter` is not a delimiter, or Python does not know an encoding."""
    for field in ("encoding", "against_encoding"):
        check_encoding(getattr(config, field, None), field=field)
    _check_delimiter(config.delimiter)


def _check_delimiter(delimiter: str | None) -> None:
    if delimiter is None or delimiter_named(delimiter) == SINGLE != delimiter:
        return
    if len(delimiter_named(delimiter)) != 1 or delimiter in '"\r\n':
        hint = "write one character, tab, or none for a single column"
        raise UsageError(f"`delimiter`: '{delimiter}' is not one character", hint=hint)


def set_fields(config: Any) -> list[str]:
    """The names of `FIELDS` that a configuration sets."""
    return [item.name for item, _ in declared(config) if item.name in FIELDS and getattr(config, item.name) != item.default]
