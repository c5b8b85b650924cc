"""Run benchmarks, print results and keep them in benchmarks/results: python -m benchmarks [NAME ...] [--quick]."""

from __future__ import annotations

import argparse
from importlib import import_module

from benchmarks import measuring

NAMES = ("start_up", "ranking", "encoding", "training", "scaled_search")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; all without a name")
    parser.add_argument("--quick", action="store_true", help="less work and fewer rounds")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in arguments.names or NAMES:
        print(f"== {name}", flush=True)
        record = import_module(f"benchmarks.{name}").run(arguments.quick)
        measuring.write(name, {"quick": arguments.quick, **record})


if __name__ == "__main__":
    main()
