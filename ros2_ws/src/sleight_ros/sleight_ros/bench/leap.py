"""The LEAP Hand's driver at 100 Hz on emulated motors in another process, beside a bare exchange with them."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from sleight_core.benchmark import Figure, as_json, print_figures, write_json
from sleight_core.errors import MissingExtraError, SleightError

from sleight_ros.emulator import EmulatorClient
from sleight_ros.figures import histogram, percentiles
from sleight_ros.timing import request_realtime, sharpen_timers, sleep_until

app = typer.Typer(help=__doc__, add_completion=False)

#: The figures of the issue.
MAX_CYCLE = 12.0  # ms, 99th percentile
MIN_RATE = 60.0  # states a second
#: Cycles at the beginning that are not counted: caches and clocks are cold.
WARM_UP = 50
EDGES = [0, 2, 4, 6, 8, 9, 9.5, 9.9, 10.1, 10.5, 11, 12, 14, 16, 20, 30, 50]


@contextlib.contextmanager
def emulator(folder: Path, arguments: list[str]) -> Iterator[tuple[str, EmulatorClient]]:
    """Run the bus emulator as a process; give the terminal's path and a line to its controls.

    Raises:
        SleightError: It did not start.
    """
    control = folder / "control"
    command = [sys.executable, "-m", "sleight_ros.emulator.leap", "--control", str(control), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        path = process.stdout.readline().strip()
        if not path:
            raise SleightError("the bus emulator did not start", value=process.wait())
        with EmulatorClient(control) as client:
            yield path, client
    finally:
        process.terminate()
        process.wait(timeout=10.0)


def wave(now: float) -> np.ndarray:
    """Joint targets of a hand that opens and closes, rad."""
    return np.full(16, 0.3 * math.sin(2.0 * math.pi * 0.5 * now))


def bare_loop(path: str, cycles: int, period: float, fast: bool) -> tuple[np.ndarray, np.ndarray]:
    """The least that a driver can do at the same rate: one write and one read of all motors, and nothing about them.

    Returns:
        Periods from one read to the next and times of work, s.
    """
    from sleight_ros.drivers.dynamixel import DynamixelBus
    from sleight_ros.drivers.reasons import BusError
    from sleight_ros.drivers.xc330 import GOAL_POSITION, STATE

    bus = DynamixelBus(path, range(16), fast=fast)
    bus.open()
    done, work = [], []
    due = time.perf_counter()
    for _ in range(cycles):
        sleep_until(due)
        begin = time.perf_counter()
        due = max(due + period, begin)
        with contextlib.suppress(BusError):
            bus.write_all(GOAL_POSITION, [2048] * 16)
            bus.read_all(STATE)
            done.append(begin)
        work.append(time.perf_counter() - begin)
    bus.close()
    return np.diff(done)[WARM_UP:], np.array(work[WARM_UP:])


def drive(path: str, seconds: float, period: float, fast: bool) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Run the driver's loop while commands come at 60 Hz.

    Returns:
        Periods from one fresh state to the next and times of work, s, and the driver's counts.

    Raises:
        SleightError: The driver refuses.
    """
    from sleight_ros.drivers.config import load_config
    from sleight_ros.drivers.dynamixel import DynamixelBus
    from sleight_ros.drivers.leap import DriverOptions, LeapDriver
    from sleight_ros.drivers.loop import DriverLoop
    from sleight_ros.drivers.reader import Reading

    config = load_config()
    stamps: list[float] = []
    work: list[float] = []

    class TimedDriver(LeapDriver):
        def step(self) -> Reading | None:
            begin = time.perf_counter()
            try:
                return super().step()
            finally:
                work.append(time.perf_counter() - begin)

    driver = TimedDriver(config, DynamixelBus(path, config.ids, fast=fast), DriverOptions(period=period))
    loop = DriverLoop(driver, lambda reading: stamps.append(reading.stamp))
    loop.start()
    try:
        wait_for(lambda: len(stamps) > 0, "a state", driver)
        refusal = loop.ask(driver.enable).result(timeout=10.0)
        if refusal:
            raise SleightError("the driver cannot be enabled on the emulator", value=refusal)
        first, first_work = len(stamps), len(work)
        before = driver.counts.copy()
        end = time.monotonic() + seconds
        due = time.perf_counter()
        while time.monotonic() < end:
            due += 1.0 / 60.0
            sleep_until(due)
            driver.command(wave(time.monotonic()))
        counts = {name: count - before[name] for name, count in driver.counts.items()}
    finally:
        loop.stop()
    return np.diff(stamps[first + WARM_UP :]), np.array(work[first_work + WARM_UP :]), counts


def wait_for(condition: Callable[[], bool], what: str, driver: Any) -> None:
    """Wait for something that the driver does.

    Raises:
        SleightError: It does not come.
    """
    end = time.monotonic() + 20.0
    while not condition():
        if time.monotonic() > end:
            raise SleightError(f"no {what} from the driver", value=f"{driver.reason.value}: {driver.detail}")
        time.sleep(0.01)


@app.command()
def leap(
    seconds: Annotated[float, typer.Option(min=2.0, max=3600.0, help="How long to measure.")] = 20.0,
    rate: Annotated[float, typer.Option(min=20.0, max=250.0, help="Cycles a second.")] = 100.0,
    fast: Annotated[bool, typer.Option(help="Read all motors in one reply.")] = True,
    wire: Annotated[bool, typer.Option(help="Bytes and USB take the time they take on a real bus.")] = True,
    priority: Annotated[int, typer.Option(min=0, max=80, help="Real-time priority of all, where allowed.")] = 20,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure command and state through real packets: write goals, read and prove all states, look at one motor."""
    try:
        import dynamixel_sdk  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("dynamixel_sdk", "ros") from error
    period = 1.0 / rate
    realtime = bool(priority) and request_realtime(priority)
    sharpen_timers()
    with tempfile.TemporaryDirectory(prefix="sleight_bench_") as folder:
        arguments = ([] if wire else ["--instant"]) + ([] if fast else ["--no-fast"])
        with emulator(Path(folder), arguments) as (path, client):
            cycles = int(min(10.0, seconds) * rate) + WARM_UP
            bare_periods, bare_work = bare_loop(path, cycles, period, fast)
            periods, work, counts = drive(path, seconds, period, fast)
            moved = max(client("goals")) - min(client("goals"))
            off = not any(client("torques"))
    figures, more = judge(1e3 * periods, 1e3 * work, 1e3 * bare_periods, 1e3 * bare_work, seconds)
    print_figures(figures)
    content = as_json(
        figures,
        seconds=seconds,
        rate=rate,
        fast_read=fast,
        wire_time=wire,
        realtime=realtime,
        counts=counts,
        torque_off_afterwards=off,
        goal_spread_ticks=moved,
        **more,
    )
    if json_out is not None:
        write_json(json_out, content)
    raise typer.Exit(0 if content["passed"] and off else 1)


def judge(
    periods: np.ndarray, work: np.ndarray, bare_periods: np.ndarray, bare_work: np.ndarray, seconds: float
) -> tuple[list[Figure], dict[str, Any]]:
    """Figures and distributions of what was measured, all in ms."""
    if len(periods) < 10:
        raise SleightError("too few states to measure", value=len(periods), remedy="see 'sleight bench leap --no-fast'")
    cycle, bare = percentiles(periods), percentiles(bare_periods)
    busy, bare_busy = percentiles(work), percentiles(bare_work)
    reference = "one bare write and read of all motors"
    figures = [
        Figure("cycle (state to state), p50", cycle["p50"], "ms", reference, bare["p50"]),
        Figure("cycle (state to state), p99", cycle["p99"], "ms", reference, bare["p99"], MAX_CYCLE),
        Figure("work a cycle, p50", busy["p50"], "ms", reference, bare_busy["p50"]),
        Figure("work a cycle, p99", busy["p99"], "ms", reference, bare_busy["p99"]),
        Figure(
            "fresh states a second", 1e3 / float(periods.mean()), "Hz", reference, 1e3 / float(bare_periods.mean()),
            MIN_RATE, at_least=True,
        ),
    ]  # fmt: skip
    more = {
        "distributions_ms": {"cycle": cycle, "bare_cycle": bare, "work": busy, "bare_work": bare_busy},
        "cycle_histogram_ms": histogram(periods, EDGES),
    }
    return figures, more
