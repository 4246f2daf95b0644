"""The bus emulator as a process: ``python -m sleight_ros.emulator.leap --link /tmp/leap --control /tmp/leap.sock``.

Prints the terminal's path when it is ready and serves until SIGINT or SIGTERM. `sleight_ros.emulator.EmulatorClient`
breaks it on demand.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from sleight_core.errors import SleightError

from sleight_ros.emulator.control import ControlServer
from sleight_ros.emulator.hand import LeapEmulator
from sleight_ros.emulator.line import U2D2, Timing
from sleight_ros.timing import sharpen_timers


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--link", type=Path, help="symbolic link to the terminal; survives unplugging")
    parser.add_argument("--control", type=Path, help="Unix socket for EmulatorClient")
    parser.add_argument("--motors", type=int, default=16, help="how many motors (ids from 0)")
    parser.add_argument("--model", type=int, default=1240, help="model number: 1240 XC330-M288-T, 1200 XL330-M288-T")
    parser.add_argument("--no-fast", action="store_true", help="motors that do not know the fast sync read")
    parser.add_argument("--instant", action="store_true", help="no time on the wire or in the USB adapter")
    parser.add_argument("--seed", type=int, default=0, help="of the random faults")
    options = parser.parse_args(arguments)
    if not 1 <= options.motors <= 252:
        parser.error("--motors is 1 to 252")
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    sharpen_timers()
    try:
        emulator = LeapEmulator(
            options.motors,
            link=options.link,
            timing=Timing() if options.instant else U2D2,
            model=options.model,
            fast=not options.no_fast,
            seed=options.seed,
        )
    except (SleightError, OSError) as error:
        print(f"the emulator cannot start: {error}", file=sys.stderr)
        return 2
    with emulator:
        try:
            control = ControlServer(emulator, options.control) if options.control is not None else None
        except OSError as error:
            print(f"the control socket cannot be made: {error}", file=sys.stderr)
            return 2
        print(emulator.path, flush=True)
        ended.wait()
        if control is not None:
            control.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
