"""The training rows of `e5-small-q4+aligned`, second edition: `mix` in English and two languages, `mini@train` in all.

isoglot data build mix --without mini -o mix.jsonl
python -m benchmarks.second_edition mix.jsonl rows.jsonl
"""

from __future__ import annotations

import sys

from isoglot import training_rows, write_rows


def main(mix: str, output: str) -> None:
    """Write the rows.

    Args:
        mix: Rows of ``isoglot data build mix --without mini``.
        output: The file to write.
    """
    write_rows(output, [*training_rows(mix, per_row=2), *training_rows("mini@train")])


if __name__ == "__main__":
    main(*sys.argv[1:])
