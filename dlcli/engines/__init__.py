"""One package or module per subcommand: `run(config, *, report=SILENT) -> XResult`; silent and callable from Python."""
