"""Write the expected numbers of ``isoglot reproduce`` from audits, so that none is typed by hand.

    python -m benchmarks.expected_rows [--date 2026-11-25] NAME=AUDIT_FOLDER ...

NAME is an experiment in src/isoglot/reproduction/expected.yaml. The numbers in its `rows` are replaced, and so is the
date in its `sure`; everything else in the file stays as it is. To add a number, write it with any value and run this.
The audits that `isoglot reproduce methods` keeps in its work folder (audits/NAME) can be used.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import date

from isoglot import Audit
from isoglot.reproduction.expected import SHIPPED, ExpectedNumber, load_expected
from isoglot.reproduction.running import measured_value

NAME = re.compile(r"  - name: (\S+)\n")
NUMBER = re.compile(r"      - \[([^,]+), ([^,]+), ([^,]+), ([^,]+), [^,\]]+\]\n")
DATE = re.compile(r"(    sure: .*\bon )\d{4}-\d\d-\d\d")


def refreshed(text: str, audits: dict[str, Audit], day: str) -> str:
    """Return the YAML with numbers from `audits`, given by the names of their experiments, and the date `day`."""
    audit = None
    lines = []
    for line in text.splitlines(keepends=True):
        if name := NAME.fullmatch(line):
            audit = audits.get(name[1])
        elif audit and (entry := NUMBER.fullmatch(line)):
            scenario, pool, asked, measure = entry.groups()
            number = ExpectedNumber(scenario=scenario, pool=pool, asked=asked, measure=measure, expected=0.0)
            line = f"      - [{', '.join(entry.groups())}, {measured_value(audit, number):.2f}]\n"
        elif audit:
            line = DATE.sub(rf"\g<1>{day}", line)
        lines.append(line)
    return "".join(lines)


def main(arguments: Sequence[str]) -> None:
    day = date.today().isoformat()
    if arguments and arguments[0] == "--date":
        day, arguments = arguments[1], arguments[2:]
    audits = {name: Audit.load(folder) for name, _, folder in (argument.partition("=") for argument in arguments)}
    unknown = audits.keys() - {experiment.name for experiment in load_expected().experiments}
    if unknown:
        sys.exit(f"no such experiment: {', '.join(sorted(unknown))}")
    SHIPPED.write_text(refreshed(SHIPPED.read_text(encoding="utf-8"), audits, day), encoding="utf-8")
    load_expected()


if __name__ == "__main__":
    main(sys.argv[1:])
