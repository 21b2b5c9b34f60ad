"""A picture of a terminal as SVG: a command and what it prints there, in its colours. The README begins with one."""

import os
import pty
import re
import subprocess
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

WIDTH = 80
_CURSOR = re.compile(r"\x1b\[\??[0-9;]*[A-HJKSTfhlsu]")
_DARK = TerminalTheme(
    *((24, 27, 33), (216, 220, 226)),
    [
        (24, 27, 33),
        (224, 108, 117),
        (152, 195, 121),
        (229, 192, 123),
        (97, 175, 239),
        (198, 120, 221),
        (86, 182, 194),
        (216, 220, 226),
    ],
)


def picture(command: str, environment: dict[str, str]) -> str:
    """Run a command in an empty folder on a terminal of 80 columns.

    Args:
        command: A line of sh.
        environment: What it runs in; NO_COLOR does not count.

    Returns:
        The picture, with no font or other file from elsewhere.
    """
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w", encoding="utf-8"), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    console.print(Text.from_ansi(_printed(command, environment)))
    form = re.sub(r"@font-face \{\{.*?\n    \}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = form.replace(
        "font-family: Fira Code, monospace", "font-family: ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace"
    )
    return console.export_svg(title="", theme=_DARK, code_format=form, unique_id="terminal")


def _printed(command: str, environment: dict[str, str]) -> str:
    settings = {name: value for name, value in environment.items() if name != "NO_COLOR"}
    settings |= {"COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    parent, child = pty.openpty()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            ["sh", "-c", command], cwd=folder, env=settings, stdin=subprocess.DEVNULL, stdout=child, stderr=subprocess.DEVNULL
        )
        os.close(child)
        seen = b""
        while True:
            try:
                seen += os.read(parent, 65536)
            except OSError:  # the program has closed its end
                break
        process.wait()
    os.close(parent)
    return _CURSOR.sub("", seen.decode()).replace("\r\n", "\n").strip("\n")


if __name__ == "__main__":
    import sys

    from generate import ENVIRONMENT

    Path(sys.argv[2]).write_text(picture(sys.argv[1], ENVIRONMENT), encoding="utf-8")
