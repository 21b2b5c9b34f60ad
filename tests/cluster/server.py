"""A Ray cluster on this machine, in a process of its own: answers each line of standard input with a line of JSON.

`kill 0` ends the oldest node at once and `kill -1` the newest, `add` starts a node, `add NAME=VALUE` one with this in its
environment. At the end of the input all of it ends.
"""

import json
import sys
from typing import Any

from ray.cluster_utils import Cluster

_STORE = 100 << 20


class Server:
    """The nodes of the cluster: the head, which runs no jobs, and two others."""

    def __init__(self) -> None:
        head = {"num_cpus": 0, "object_store_memory": _STORE, "include_dashboard": False, "dashboard_agent_listen_port": None}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self._added() for _ in range(2)]

    def _added(self, environment: dict[str, str] | None = None) -> Any:
        return self.cluster.add_node(num_cpus=1, object_store_memory=_STORE, env_vars=environment)

    def answer(self, command: str, *words: str) -> Any:
        """Do what a line says."""
        if command == "kill":
            self.cluster.remove_node(self.nodes.pop(int(words[0])), allow_graceful=False)
        if command == "add":
            self.nodes.append(self._added(dict(word.split("=", 1) for word in words)))
        return {"address": self.cluster.address, "nodes": [node.node_id for node in self.nodes]}


def main() -> None:
    server = Server()
    say = open(sys.argv[1], "w")  # standard output belongs to Ray
    print(json.dumps(server.answer("start")), file=say, flush=True)
    for line in sys.stdin:
        print(json.dumps(server.answer(*line.split())), file=say, flush=True)
    server.cluster.shutdown()


if __name__ == "__main__":
    main()
