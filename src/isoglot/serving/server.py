"""A server process: the index and its models loaded, then HTTP until it is told to stop."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from isoglot.platform.errors import IsoglotError
from isoglot.serving.telemetry import log, log_as_json

if TYPE_CHECKING:
    from isoglot.serving.settings import Settings

SHUTDOWN_SECONDS = 10
"""How long requests that are being worked on may take when the server is told to stop."""


def serve(folder: str | Path, settings: Settings, *, device: str = "auto", trust_remote_code: bool = False) -> None:
    """Serve the index in `folder` until SIGINT or SIGTERM; requests that are being worked on are finished.

    Args:
        folder: Made by ``isoglot index``; a folder, or an address as of `Index`.
        settings: Address, limits, key.
        device: Of the models.
        trust_remote_code: Whether code inside a model's repository may run.

    Raises:
        IsoglotError: There is no index or model, or the address cannot be listened at.
    """
    import uvicorn

    from isoglot.indexing.store import Index
    from isoglot.serving.app import create_app
    from isoglot.serving.finding import default_columns

    index = Index(folder)
    default_columns(index.models, settings.compare)  # what is wrong is told before models are loaded
    listening = _listening(settings.host, settings.port)
    encoders = {
        model: index.load_encoder(model, device=device, trust_remote_code=trust_remote_code) for model in index.models
    }
    app = create_app(index, encoders, settings, name=Path(folder).resolve().name)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    log_as_json()
    listening.listen()  # so that what the next line says is true
    port = listening.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    about = {"url": f"http://{host}:{port}/", "passages": len(index), "models": list(encoders)}
    log.info("serving", extra={"fields": about})
    with suppress(KeyboardInterrupt):  # which uvicorn raises anew when it has stopped in good order
        uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        raise IsoglotError(f"cannot listen at {host}:{port}: {error.strerror or error}") from error
    return found
