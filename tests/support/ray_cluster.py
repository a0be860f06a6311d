"""A batch on a simulated cluster of three machines, of which one goes while it runs. Run by a Python that has Ray.

Usage: python ray_cluster.py REMOVE_AFTER OUT [arguments of tools/batch.py without --ray]
"""

import sys
import threading
import time
from pathlib import Path

from ray.cluster_utils import Cluster

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT)]


def main() -> int:
    from fleet.command import main as batch

    after, out = int(sys.argv[1]), Path(sys.argv[2])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=2, num_gpus=1) for _ in range(2)]
    cluster.wait_for_nodes()

    def remove() -> None:
        deadline = time.monotonic() + 120
        while len(list(out.rglob("*.png"))) < after and time.monotonic() < deadline:
            time.sleep(0.05)
        print("a machine goes", flush=True)
        cluster.remove_node(nodes[1], allow_graceful=False)

    threading.Thread(target=remove, daemon=True).start()
    code = batch([*sys.argv[3:], "--out", str(out), "--ray", cluster.address])
    cluster.shutdown()
    return code


if __name__ == "__main__":
    sys.exit(main())
