"""The command line: the only layer that knows Typer, Rich, exit statuses and signals."""
