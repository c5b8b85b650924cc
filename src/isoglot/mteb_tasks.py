"""Mixed pools as mteb tasks, and encoders as mteb models (`isoglot.integrations.mteb_tasks`)."""

from isoglot.integrations.mteb_tasks import (
    PoolEncoder,
    PoolRetrieval,
    model,
    tasks,
)

__all__ = [
    "PoolEncoder",
    "PoolRetrieval",
    "model",
    "tasks",
]
