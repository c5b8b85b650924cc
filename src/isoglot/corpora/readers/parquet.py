"""Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isoglot.corpora.readers.lines import opened
from isoglot.platform.errors import InputError

_BATCH = 1024


def read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the fields of each row, and its number, counted from 1; a null is a field that is not there.

    Args:
        path: The file.

    Raises:
        InputError: The file is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with opened(path) as content:
            plain = isinstance(content, io.BufferedReader)
            with pq.ParquetFile(path if plain else io.BytesIO(content.read())) as file:
                for batch in file.iter_batches(batch_size=_BATCH):
                    for row in batch.to_pylist():
                        number += 1
                        yield number, {name: value for name, value in row.items() if value is not None}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"cannot be read as Parquet: {str(error).splitlines()[0]}", path) from error
