"""Ray: a connection to a cluster, and workers that hold a model and encode the shards they are given."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.extras import needs
from isoglot.scale.shard_encoding import EncodingSettings, Shard, encode_shard, load_encoder_for

AHEAD = 2
"""Number of shards that a worker has at a time: one to work on and one to go on with. More would only take memory."""


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Where the workers run, how many there are, and how each loads the model.

    Attributes:
        address: Address of a Ray cluster; None: ``RAY_ADDRESS``, else a new cluster on this machine.
        workers: Number of processes that hold the model; 0: one for each GPU, else for each CPU, of the cluster.
        gpus_per_worker: Number of GPUs that each process takes; may be a fraction.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.
    """

    address: str | None = None
    workers: int = 0
    gpus_per_worker: float = 0
    device: str = "auto"
    trust_remote_code: bool = False


@contextmanager
def ray_cluster(address: str | None = None) -> Iterator[Any]:
    """Connect to a cluster, or start one on this machine; yields the module `ray` and disconnects afterwards.

    Args:
        address: Address of a Ray cluster; None: ``RAY_ADDRESS``, else a new cluster on this machine.

    Raises:
        IsoglotError: Ray is not installed, or there is no such cluster.
    """
    with needs("working on a Ray cluster", "ray"):
        import ray
    connected_here = not ray.is_initialized()
    if connected_here:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise IsoglotError(f"no Ray cluster at {address or 'this machine'}: {first_line(error)}") from error
    try:
        yield ray
    finally:
        if connected_here:
            ray.shutdown()


def encode_with_ray(
    shards: Iterator[Shard], settings: EncodingSettings, options: WorkerOptions, advance: Callable[[int], None]
) -> None:
    """Encode shards by workers, which write them to a file system that all machines see.

    A worker that is lost is started again, and what it had not written is encoded again.

    Args:
        shards: Shards to encode, read only as fast as the workers take them.
        settings: Settings that decide the vectors.
        options: Options of the workers.
        advance: Function that is called with the number of texts of each shard that is done.

    Raises:
        IsoglotError: A worker cannot load the model, a shard cannot be encoded or written, or the cluster is lost.
    """
    with ray_cluster(options.address) as ray:
        resources = ray.cluster_resources()
        gpus = options.gpus_per_worker
        count = options.workers or int(resources.get("GPU", 0) / (gpus or 1)) or int(resources.get("CPU", 1))
        actor = ray.remote(num_gpus=gpus, max_restarts=-1, max_task_retries=-1)(_Worker)
        free = [actor.remote(settings, options) for _ in range(count)] * AHEAD
        running: dict[Any, tuple[Any, int]] = {}
        try:
            for shard in shards:
                if not free:
                    free.append(_wait_for_one(ray, running, advance))
                worker = free.pop(0)
                running[worker.encode.remote(shard)] = worker, len(shard.texts)
            while running:
                _wait_for_one(ray, running, advance)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:
            raise IsoglotError(f"a worker could not go on: {first_line(error)}") from error


def _wait_for_one(ray: Any, running: dict[Any, tuple[Any, int]], advance: Callable[[int], None]) -> Any:
    """Wait until a shard is done; returns the worker that did it, which is free for another one."""
    (done,), _ = ray.wait(list(running), num_returns=1)
    ray.get(done)
    worker, texts = running.pop(done)
    advance(texts)
    return worker


class _Worker:
    """A process that holds the model."""

    def __init__(self, settings: EncodingSettings, options: WorkerOptions) -> None:
        self._settings = settings
        self._encoder = load_encoder_for(settings, device=options.device, trust_remote_code=options.trust_remote_code)

    def encode(self, shard: Shard) -> None:
        encode_shard(self._encoder, self._settings, shard)
