"""Whether every option that tells how a table is read has an effect on a table that is read."""

from dataclasses import fields

from dlcli.support.errors import UsageError
from dlcli.support.table_format import APPLIES, KINDS, TableFormat


def check_applies(table_format: TableFormat, *tables: tuple[str, str], prefix: str = "") -> None:
    """Refuse options that would have no effect.

    Args:
        table_format: How tables are read.
        tables: Name and kind (one of `KINDS`) of each table that is read so.
        prefix: What the names of the options begin with.

    Raises:
        UsageError: A field is set, and applies to none of the tables.
    """
    for item in fields(TableFormat):
        applies = APPLIES[item.name]
        if getattr(table_format, item.name) == item.default or any(kind in applies for _, kind in tables):
            continue
        are = " and ".join(f"{name} is {KINDS[kind]}" for name, kind in tables)
        what = ", or ".join(KINDS[kind] for kind in applies)
        name = prefix + item.name
        raise UsageError(f"`{name}` has no effect: {are}", hint=f"omit `{name}`, which applies to {what}")
