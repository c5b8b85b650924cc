"""Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isoglot.platform.errors import InputError, first_line
from isoglot.platform.files import os_errors_explained

_BATCH = 1024


def read_parquet(path: Path, *, required: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the fields of each row, and its number, counted from 1; a null is a field that is not there.

    Args:
        path: The file.
        required: The name of a column that the file must have.

    Raises:
        InputError: The file is missing or damaged, or lacks the required column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise InputError("no such file", path)
    number = 0
    try:
        with os_errors_explained(path, "read"), pq.ParquetFile(path, page_checksum_verification=True) as file:
            columns = file.schema_arrow.names
            if required is not None and required not in columns:
                raise InputError(f"has no column {required!r}; it has {', '.join(columns)}", path)
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {name: value for name, value in row.items() if value is not None}
    except (
        pa.ArrowException,
        ValueError,
        TypeError,
        KeyError,
        OverflowError,
    ) as error:  # it depends on the damaged byte
        raise InputError(f"cannot be read as Parquet: {first_line(error)}", path) from error
