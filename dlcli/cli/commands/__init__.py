"""One module per subcommand: `COMMAND`, with its examples and how a result is drawn."""
