"""Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isoglot.corpora.readers.delimited import check_names
from isoglot.corpora.readers.lines import MAX_BYTES, opened
from isoglot.platform.errors import InputError, first_line
from isoglot.platform.extras import needs
from isoglot.platform.files import os_errors_explained

_BATCH = 16
_HIGH_COMPRESSION = 16


def read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the fields of each row, and its number, counted from 1; a null is a field that is not there.

    Args:
        path: The file.

    Raises:
        InputError: The file is missing or damaged, two columns have the same name, or rows are longer than `MAX_BYTES`.
    """
    with needs("reading Parquet", "files"):
        import pyarrow as pa
        import pyarrow.parquet as pq

    number = 0
    try:
        with os_errors_explained(path, "read"), opened(path) as content:
            plain = isinstance(content, io.BufferedReader)
            source = path if plain else io.BytesIO(content.read(MAX_BYTES + 1))
            size = path.stat().st_size if isinstance(source, Path) else source.getbuffer().nbytes
            if not plain and size > MAX_BYTES:
                raise InputError(f"is larger than {MAX_BYTES // 2**20} MiB; decompress it", path)
            with pq.ParquetFile(source, page_checksum_verification=True) as file:
                check_names(file.schema_arrow.names, path, None)
                rows = _rows_at_once(file.metadata, size, path)
                for batch in file.iter_batches(batch_size=rows):
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


def _rows_at_once(metadata: Any, file_size: int, path: Path) -> int:
    """Return how many rows to decode at once, so that they take little memory whatever the file holds.

    A value that a column's dictionary has once may stand in every row, so where much is packed into few bytes, rows are
    decoded one by one. (Of the columns' sizes nothing is asked: pyarrow aborts where their metadata are damaged.)

    Raises:
        InputError: Rows are longer than `MAX_BYTES` on average.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if any(group.total_byte_size > MAX_BYTES * max(1, group.num_rows) for group in groups):
        raise InputError(f"rows are longer than {MAX_BYTES // 2**20} MiB; split them", path)
    return 1 if sum(group.total_byte_size for group in groups) > _HIGH_COMPRESSION * file_size else _BATCH
