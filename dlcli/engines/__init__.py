"""One module a subcommand: `run(config, *, report=SILENT) -> XResult`; silent and callable from Python."""
