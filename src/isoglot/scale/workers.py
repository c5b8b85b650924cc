"""Ray: workers that hold a model and are given shards, and tasks that each rank one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from isoglot.platform.errors import IsoglotError
from isoglot.scale.encoding_shards import How, Shard, encode_shard, load_for

log = logging.getLogger("isoglot")
AHEAD = 2
"""Shards that each worker is given at a time: one to work on and one to go on with. More would only take memory."""


@contextmanager
def ray_cluster(address: str | None = None) -> Iterator[Any]:
    """Inside, the module `ray`, connected to a cluster or to a new one on this machine.

    Raises:
        IsoglotError: Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise IsoglotError("Ray is not installed: pip install 'isoglot[ray]'") from error
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise IsoglotError(
                f"no Ray cluster at {address or 'this machine'}: {str(error).splitlines()[0]}"
            ) from error
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def encode_with_ray(
    shards: Iterator[Shard],
    how: How,
    loading: dict[str, Any],
    tell: Callable[[int], None],
    address: str | None = None,
    workers: int = 0,
    gpus_per_worker: float = 0,
) -> None:
    """Encode shards by workers that write them, on files that all machines see.

    A worker that is lost is started again, and what it had not written is encoded again.

    Args:
        shards: Read as fast as the workers take them.
        how: See `How`.
        loading: What `load_encoder` takes.
        tell: Called with the number of texts done.
        address: As for `encode_corpus`, like all that follows.
        workers: Likewise.
        gpus_per_worker: Likewise.

    Raises:
        IsoglotError: A worker cannot load the model, or a shard cannot be encoded or written.
    """
    with ray_cluster(address) as ray:
        resources = ray.cluster_resources()
        count = workers or int(resources.get("GPU", 0) / (gpus_per_worker or 1)) or int(resources.get("CPU", 1))
        options = {"num_gpus": gpus_per_worker, "max_restarts": -1, "max_task_retries": -1}
        actor = ray.remote(**options)(_Worker)
        free = [actor.remote(how, loading) for _ in range(count)] * AHEAD
        running: dict[Any, tuple[Any, int]] = {}
        try:
            for shard in shards:
                if not free:
                    free.append(_one_done(ray, running, tell))
                worker = free.pop(0)
                running[worker.encode.remote(shard)] = worker, len(shard.texts)
            while running:
                _one_done(ray, running, tell)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise (cause if isinstance(cause, IsoglotError) else IsoglotError(f"a worker failed: {cause!r}")) from error
        except ray.exceptions.RayError as error:
            raise IsoglotError(f"a worker could not go on: {str(error).splitlines()[0]}") from error


def _one_done(ray: Any, running: dict[Any, tuple[Any, int]], tell: Callable[[int], None]) -> Any:
    """Wait for a shard; returns the worker that is free for another one."""
    (done,), _ = ray.wait(list(running), num_returns=1)
    ray.get(done)
    worker, texts = running.pop(done)
    tell(texts)
    return worker


class _Worker:
    """A process with the model."""

    def __init__(self, how: How, loading: dict[str, Any]) -> None:
        self._how, self._encoder = how, load_for(how, loading)

    def encode(self, shard: Shard) -> None:
        encode_shard(self._encoder, self._how, shard)
