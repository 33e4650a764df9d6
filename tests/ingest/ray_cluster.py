"""A Ray cluster of several nodes on this machine, a program by itself: `python -m tests.ingest.ray_cluster NODES`.

Prints its address. For each line it reads, a node is killed with all that runs on it; at the end of its input it ends.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster


def main() -> None:
    nodes = int(sys.argv[1])
    # The head has no processor to give, so that work is on the nodes that can be killed.
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    workers = [cluster.add_node(num_cpus=1) for _ in range(nodes)]
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(workers.pop(), allow_graceful=False)
        print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
