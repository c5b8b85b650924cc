"""Checkpoints of a training: one safetensors file, which is written whole or not at all and holds no pickle."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import write_bytes

logger = logging.getLogger(__name__)

SECONDS_BETWEEN = 60.0
"""The shortest time between two checkpoints; an interrupted training loses at most that time and one step."""


class Checkpoints:
    """The last checkpoint of one run: trained weights and AdamW's state as tensors, all else as JSON in the metadata.

    Args:
        folder: The folder that holds the checkpoint.
        run: A hash of everything that decides the run; a checkpoint of another run is not used.

    Attributes:
        state: The trainer's state at the checkpoint in the folder; None if there is none to continue from.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self._path, self._run = folder / "checkpoint.safetensors", run
        self._last = time.monotonic()
        self._tensors: dict[str, Tensor] = {}
        self._record: dict[str, Any] = {}
        if self._path.exists():
            self._read()
        self.state: dict[str, Any] | None = self._record.get("state")

    @property
    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return time.monotonic() - self._last >= SECONDS_BETWEEN

    def write(self, model: torch.nn.Module, optimizer: Any, scheduler: Any, state: dict[str, Any]) -> None:
        """Replace the checkpoint; if it cannot be written, log a warning and leave the previous one."""
        optimizer_state = optimizer.state_dict()
        tensors: dict[str, Tensor] = {
            f"weights.{name}": weights for name, weights in model.named_parameters() if weights.requires_grad
        }
        for index, values in optimizer_state["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        record = json.dumps(
            {
                "run": self._run,
                "state": state,
                "groups": optimizer_state["param_groups"],
                "scheduler": scheduler.state_dict(),
            }
        )
        try:
            write_bytes(self._path, save(tensors, {"record": record, "digest": _digest(tensors, record)}))
        except IsoglotError as error:
            logger.warning("no checkpoint was written, training goes on: %s", error)
        self._last = time.monotonic()

    def restore_weights(self, model: torch.nn.Module) -> None:
        """Put the weights of the checkpoint into the model."""
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if weights.requires_grad:
                    weights.copy_(self._tensors[f"weights.{name}"])

    def restore_optimizer(self, optimizer: Any, scheduler: Any) -> None:
        """Put the state of the checkpoint into optimizer and scheduler, and free its memory."""
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in self._tensors.items():
            kind, _, rest = key.partition(".")
            if kind == "optimizer":
                index, name = rest.split(".")
                state.setdefault(int(index), {})[name] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": self._record["groups"]})
        scheduler.load_state_dict(self._record["scheduler"])
        self._tensors = {}

    def _read(self) -> None:
        try:
            with safe_open(self._path, "pt") as file:
                metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if metadata["digest"] != _digest(tensors, metadata["record"]):
                raise ValueError("the digest does not match")
            record = json.loads(metadata["record"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            logger.warning("%s: the checkpoint is damaged (%s); training starts anew", self._path, error)
            return
        if record["run"] != self._run:
            logger.warning("%s: the checkpoint is of another run; training starts anew", self._path)
            return
        self._record, self._tensors = record, tensors


def _digest(tensors: dict[str, Tensor], record: str) -> str:
    digest = hashlib.sha256(record.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
