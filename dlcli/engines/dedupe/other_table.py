"""Read the table of the option `against`: as the table itself is read, but for its own column and encoding."""

from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from dlcli.core.text.bad_rows import save_bad_rows
from dlcli.core.text.columns import choose_text_column, find_column, find_columns, joined_texts, listed_names
from dlcli.core.text.distinct import Distinct, distinct
from dlcli.core.text.mask import mask_texts
from dlcli.core.text.table_input import check_tables, open_table
from dlcli.engines.dedupe.stages import TextColumn, row_blocks
from dlcli.specs.dedupe import STRICT, DedupeConfig
from dlcli.specs.table_options import table_format
from dlcli.support.errors import InputError
from dlcli.support.reporter import Reporter
from dlcli.support.table_format import TableFormat
from dlcli.support.tables import Table


class OtherTexts(NamedTuple):
    """The name of the other table, and its distinct texts."""

    name: str
    texts: Distinct


def read_other_table(config: DedupeConfig, source: str, text_column: TextColumn, report: Reporter) -> OtherTexts:
    """Read the other table, report what may be wrong with it, and write the bad rows of both if that is asked for.

    Args:
        config: Options.
        source: Path of the other table.
        text_column: The table itself, whose column has the same name unless `against_column` names another.
        report: Receives warnings.

    Returns:
        The texts.

    Raises:
        InputError: If the table cannot be read or lacks the column; the hint names the options of this table.
    """
    other = _open(config, source)
    check_tables(replace(table_format(config), encoding=None), text_column.table, other)
    read_so = [text_column.table] + ([other] if config.against_encoding is None else [])
    check_tables(TableFormat(encoding=config.encoding), *read_so)
    check_tables(TableFormat(encoding=config.against_encoding), other, prefix="against_")
    for warning in other.warnings:
        report.warn(warning.replace("omit `encoding`", "pass `against_encoding=utf-8`"))
    save_bad_rows(config.skip_bad, text_column.table, other)
    places = _find(config, other, text_column)
    texts = joined_texts(other, places).texts
    if not any(map(str.strip, texts)):
        shown = listed_names([other.columns[place] for place in places])
        report.warn(f"{other.name}: column '{shown}' is blank in every row; another: `against_column=NAME`")
    texts, blocks = mask_texts(texts, config.mask), row_blocks(config, other, report)
    return OtherTexts(other.name, distinct(texts, blocks=blocks, strict=config.fold == STRICT))


def _open(config: DedupeConfig, source: str) -> Table:
    given = replace(table_format(config), encoding=config.against_encoding or config.encoding)
    try:
        return open_table(source, given, alone=False)
    except InputError as error:
        if given.delimiter is not None:
            # The delimiter is that of the table itself; this one may have another.
            with suppress(InputError):
                return open_table(source, replace(given, delimiter=None), alone=False)
        raise InputError(error.message, hint=error.hint.replace("`encoding", "`against_encoding")) from None


def _find(config: DedupeConfig, other: Table, text_column: TextColumn) -> tuple[int, ...]:
    if config.against_column is not None:
        return find_columns(other, config.against_column, field="against_column")
    try:
        return tuple(find_column(other, text_column.table.columns[place]) for place in text_column.places)
    except InputError as error:
        suggested = "NAME"
        with suppress(InputError):
            suggested = other.columns[choose_text_column(other, None).places[0]]
        raise InputError(error.message, hint=f"name its text column with `against_column={suggested}`") from None
