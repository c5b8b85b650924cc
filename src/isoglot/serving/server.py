"""A server process: it loads the index and its models, then answers HTTP until it is stopped."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from isoglot.platform.errors import IsoglotError
from isoglot.serving.telemetry import log, log_as_json

if TYPE_CHECKING:
    from isoglot.serving.settings import Settings

SHUTDOWN_SECONDS = 10
"""How long requests in progress may take after the server was told to stop."""


def serve(
    folder: str | Path,
    settings: Settings,
    *,
    device: str = "auto",
    trust_remote_code: bool = False,
    query_prompt: str | None = None,
) -> None:
    """Serve an index until SIGINT or SIGTERM, then finish the requests in progress.

    Args:
        folder: An index that ``isoglot index`` made: a folder, or an address as for `Index`.
        settings: Address, limits, key and columns.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside a model's repository may run.
        query_prompt: Prompt of every model before questions, as for `Index.load_encoder`; None: each model's own.

    Raises:
        IsoglotError: There is no index or model, or the server cannot listen on the address.
    """
    import uvicorn

    from isoglot.indexing.store import Index
    from isoglot.serving.app import create_app
    from isoglot.serving.columns import default_columns
    from isoglot.serving.connections import bounded

    index = Index(folder)
    default_columns(index.models, settings.compare, settings.balance)  # report wrong settings before loading models
    bound = _bind(settings.host, settings.port)
    encoders = {
        model: index.load_encoder(model, device=device, trust_remote_code=trust_remote_code, query_prompt=query_prompt)
        for model in index.models
    }
    log_as_json()
    app = create_app(index, encoders, settings, name=Path(folder).resolve().name)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        **bounded(),
    )
    bound.listen()  # before the line below, which says so
    port = bound.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    fields = {"url": f"http://{host}:{port}/", "passages": len(index), "models": list(encoders)}
    log.info("serving", extra={"fields": fields})
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has stopped in good order
        uvicorn.Server(config).run(sockets=[bound])


def _bind(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if sys.platform != "win32":  # where it would let another server take the port
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        raise IsoglotError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return bound
