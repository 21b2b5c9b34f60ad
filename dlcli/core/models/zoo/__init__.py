"""One module per built-in architecture or family of them; the interface is described in `dlcli.core.models`."""
