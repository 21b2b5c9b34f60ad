"""dlcli: a deep-learning toolkit for the shell; every subcommand is also a function in `dlcli.engines`."""

__version__ = "0.1.0"
