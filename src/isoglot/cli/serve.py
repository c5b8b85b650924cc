"""``isoglot serve``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Device, QueryPrompt, Trust
from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import needs


def serve(
    index: Annotated[str, typer.Argument(help="Index that `isoglot index` made.")],
    compare: Annotated[
        str | None, typer.Option(help="Model of the left column; default: the first one of the index.")
    ] = None,
    balance: Annotated[
        str,
        typer.Option(
            help="Default balance of the page and of the API. none: by score; equal: languages take turns; "
            "proportional: each language gets its share of the documents; scaled: by score minus the usual score of "
            "the document's language for this query."
        ),
    ] = "none",
    audit: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of an audit to show on the Bias page; may be repeated: before, after."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is reachable from other machines.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 8000,
    api_key_env: Annotated[
        str | None, typer.Option(help="Name of the environment variable that holds the key that clients must send.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Host name under which a proxy reaches this server; may be repeated.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="Origin of a web site whose pages may use the API (CORS); may be repeated.")
    ] = None,
    max_requests: Annotated[
        int, typer.Option(min=1, help="Largest number of API requests in progress; more are answered with 429.")
    ] = 64,
    max_body: Annotated[
        int, typer.Option(min=1, help="Largest number of bytes of a request's body; more are answered with 413.")
    ] = 2**22,
    log_queries: Annotated[bool, typer.Option("--log-queries", help="Also log the questions.")] = False,
    query_prompt: QueryPrompt = None,
    device: Device = "auto",
    trust_remote_code: Trust = False,
) -> None:
    """Serve an index: a web page to search and compare models, and an HTTP API."""
    with needs("isoglot serve", "serve"):
        import fastapi  # noqa: F401
        import lancedb  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    from isoglot.serving.server import serve as run
    from isoglot.serving.settings import LOOPBACK, Settings

    key = None if api_key_env is None else os.environ.get(api_key_env)
    if api_key_env is not None and not key:
        raise IsoglotError(f"--api-key-env {api_key_env}: the variable is not set or empty")
    if key is None and host not in LOOPBACK:
        typer.echo(f"isoglot: {host} is open to others, and no key is required (--api-key-env)", err=True)
    settings = Settings(
        host=host,
        port=port,
        compare=compare,
        balance=balance,
        audits=tuple(audit or ()),
        api_key=key,
        allowed_hosts=tuple(allow_host or ()),
        allowed_origins=tuple(allow_origin or ()),
        max_body=max_body,
        max_requests=max_requests,
        log_queries=log_queries,
    )
    run(index, settings, device=device, trust_remote_code=trust_remote_code, query_prompt=query_prompt)
