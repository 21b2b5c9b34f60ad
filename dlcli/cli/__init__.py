"""The shell: the only floor that knows Typer, Rich, exit statuses and signals."""
