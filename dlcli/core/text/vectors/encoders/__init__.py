"""One module per kind of vectors of texts; the interface is described in `dlcli.core.text.vectors`."""
