"""Objects of a Python program in place of names and paths."""

from typing import Any, Self
from uuid import uuid4

IN_MEMORY = " in memory"
"""How the names of objects end."""


class InMemory(str):
    """The name of an object, which goes where an option takes the name of a network, a dataset or a table.

    It is the text that messages and results show, so what only passes names on works as before. What opens names takes
    `value` instead.

    Attributes:
        value: The object.
        identity: Tells it from every other object, also of another program; the content may change, so it cannot be a hash.
    """

    value: Any
    identity: str
    __slots__ = ("identity", "value")

    def __new__(cls, name: str, value: Any, identity: str = "") -> Self:
        """Name an object, without colons and slashes, so that it is taken neither for code nor for a path."""
        made = super().__new__(cls, name.removesuffix(IN_MEMORY).replace(":", " ").replace("/", " ") + IN_MEMORY)
        made.value, made.identity = value, identity or uuid4().hex
        return made

    def __getnewargs__(self) -> tuple[str, Any, str]:  # type: ignore[override]
        """Make copies and pickles hold the object.

        Returns:
            The arguments of `__new__`.
        """
        return str(self), self.value, self.identity
