"""Tests. What libraries read from the environment when they are imported is settled here, before any of them is."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if _workers > 1:  # pytest-xdist's processes share the cores
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // _workers)))
