"""One module per operation of surgery, `--with NAME`; the interface is described in `dlcli.core.surgery`."""
