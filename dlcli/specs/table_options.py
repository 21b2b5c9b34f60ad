"""Options that tell how a table is read, the same for every command that reads one."""

from typing import Any

from dlcli.specs.option import one_of, option
from dlcli.support.errors import UsageError
from dlcli.support.table_format import DELIMITER_NAMES, QUOTINGS, TableFormat

FIELDS = ("encoding", "delimiter", "quoting", "skip", "no_header", "max_cell", "skip_bad")
"""Names of the fields that `table_format` reads."""


def encoding_option(of: str = "the table", default: str = "that of its byte order mark, else utf-8") -> Any:
    """`encoding`: the encoding of the text of a table."""
    return option(None, f"Text encoding of {of}. Default: {default}.", metavar="NAME")


def delimiter_option() -> Any:
    """`delimiter`: what separates cells."""
    return option(None, "Separator of cells: a character, tab, or none for a single column. Default: detected.", metavar="CHAR")


def quoting_option() -> Any:
    """`quoting`: what quotes mean."""
    return option(
        None,
        "Quotes enclose cells and are doubled inside them (minimal), only mean themselves (none), or are escaped by "
        "backslashes (backslash). Default: minimal; a table for which that is doubtful is refused.",
        choices=one_of(*QUOTINGS),
    )


def skip_option() -> Any:
    """`skip`: lines to skip before the header."""
    return option(0, "Skip N lines before the header.", minimum=0, metavar="N")


def no_header_option() -> Any:
    """`no_header`: whether the first line is a row."""
    return option(False, "The table has no header: the first line is a row, and columns are called 1, 2 ...")


def max_cell_option() -> Any:
    """`max_cell`: how long a cell may be."""
    return option(1_000_000, "Refuse cells longer than this many characters.", minimum=1)


def skip_bad_option() -> Any:
    """`skip_bad`: where rows with too few or too many cells go."""
    return option(
        None,
        "Skip rows with too few or too many cells, and write them to this csv file with their line numbers, instead of "
        "refusing the table.",
        metavar="FILE",
        writes=True,
    )


def table_format(config: Any) -> TableFormat:
    """The format that the fields of a configuration describe."""
    given = config.delimiter
    return TableFormat(
        encoding=config.encoding,
        delimiter=given if given is None else DELIMITER_NAMES.get(given, given),
        quoting=config.quoting,
        skip=config.skip,
        no_header=config.no_header,
        max_cell=config.max_cell,
        skip_bad=config.skip_bad is not None,
    )


def check_delimiter(delimiter: str | None) -> None:
    """Raise UsageError if `delimiter` is not a delimiter."""
    if delimiter is not None and delimiter not in DELIMITER_NAMES and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise UsageError(
            f"`delimiter`: '{delimiter}' is not one character", hint="write one character, tab, or none for a single column"
        )
