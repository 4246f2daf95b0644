"""Resolves object names for a process that does not import the simulator: ``python -m sleight_ros.simulation.catalog``.

Prints one JSON list of ``{"entry", "name", "family"}``; `entry` is what `sim_node` takes in its parameter ``objects``.
Exit status 2, with one line on stderr, for an object that is refused.
"""

from __future__ import annotations

import argparse
import json
import sys

from sleight_core.errors import SleightError
from sleight_sim.objects import resolve_objects


def main(arguments: list[str] | None = None) -> int:
    """Resolve and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", help="object sets or files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=None)
    parser.add_argument("--own", default=None)
    parser.add_argument("--mesh-scale", type=float, default=1.0)
    options = parser.parse_args(arguments)
    rows = []
    try:
        for entry in options.sets:
            found = resolve_objects(entry, options.seed, options.count, own=options.own, mesh_scale=options.mesh_scale)
            for thing in found:
                # A household object is known by its own name, a mesh only by its file (or the folder of files).
                known = thing.name if thing.name.startswith("household:") else entry
                rows.append({"entry": known, "name": thing.name, "family": thing.family})
    except SleightError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
