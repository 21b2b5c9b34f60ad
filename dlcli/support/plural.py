"""Numbers with their nouns in sentences."""


def count(number: int, thing: str, things: str = "") -> str:
    """`1 group`, `2,000 groups`; `things` is the plural where it is not `thing` with an s."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"
