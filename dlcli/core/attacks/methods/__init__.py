"""One module per attack: `ATTACK`, an instance of a class in `dlcli.core.attacks` with its default settings."""
