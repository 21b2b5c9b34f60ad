"""The option `cluster` of the commands whose jobs can run on the nodes of a Ray cluster."""

from typing import Any

from dlcli.specs.option import option


def cluster_option() -> Any:
    """`cluster`: where jobs run."""
    return option(
        None,
        "Run jobs on a Ray cluster: HOST:PORT of its head, or auto for RAY_ADDRESS. dlcli has to run on one of its nodes; "
        "`workers` is then how many jobs run at most. Results are the same.",
        metavar="HOST:PORT|auto",
    )
