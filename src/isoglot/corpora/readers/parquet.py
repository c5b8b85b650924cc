"""Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isoglot.corpora.readers.delimited import check_names
from isoglot.corpora.readers.lines import opened
from isoglot.platform.errors import InputError, first_line
from isoglot.platform.files import os_errors_explained

_BATCH = 1024


def read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the fields of each row, and its number, counted from 1; a null is a field that is not there.

    Args:
        path: The file.

    Raises:
        InputError: The file is missing or damaged, or two columns have the same name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with os_errors_explained(path, "read"), opened(path) as content:
            plain = isinstance(content, io.BufferedReader)
            source = path if plain else io.BytesIO(content.read())
            with pq.ParquetFile(source, page_checksum_verification=True) as file:
                check_names(file.schema_arrow.names, path, None)
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
