"""One module per source of images or videos: `claims`, `load` and `DESCRIPTION`; `dlcli.core.data` asks them in turn."""
