"""Runs a driver's cycle at its rate on a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from sleight_ros.drivers.leap import LeapDriver
from sleight_ros.drivers.reader import Reading
from sleight_ros.timing import Recent, sharpen_timers, sleep_until

#: After a pause of so many periods the rhythm starts anew.
GIVE_UP = 5.0


class DriverLoop(threading.Thread):
    """Owns a driver while it runs: the bus, and with it torque, is let go when the thread ends for any reason.

    Args:
        driver: The driver.
        publish: Called with every fresh reading, on this thread.

    Attributes:
        work: Time that a cycle takes, s.
        periods: From one fresh reading to the next, s.
        overruns: Cycles that began more than a period late.
        failure: What `publish` or the driver raised last.
    """

    def __init__(self, driver: LeapDriver, publish: Callable[[Reading], None]) -> None:
        super().__init__(name="leap driver", daemon=True)
        self.work, self.periods = Recent(), Recent()
        self.overruns = 0
        self.failure = ""
        self._driver = driver
        self._publish = publish
        self._requests: queue.SimpleQueue[tuple[Callable[[], str], Future[str]]] = queue.SimpleQueue()
        self._ended = threading.Event()

    def ask(self, do: Callable[[], str]) -> Future[str]:
        """Let the driver's thread do something between two cycles."""
        future: Future[str] = Future()
        self._requests.put((do, future))
        if not self.is_alive():
            self._serve()
        return future

    def stop(self) -> None:
        """End the thread; torque is off when this returns, as far as the bus allows."""
        self._ended.set()
        if self.is_alive():
            self.join(timeout=5.0)

    def run(self) -> None:
        """Cycle until `stop`."""
        sharpen_timers()
        try:
            self._cycle()
        finally:
            self._driver.close()
            self._serve()

    def _cycle(self) -> None:
        period = self._driver.options.period
        due, last = time.perf_counter(), None
        while not self._ended.is_set():
            late = sleep_until(due)
            self.overruns += late > period
            begin = time.perf_counter()
            due = due + period if late < GIVE_UP * period else begin + period
            self._serve()
            try:
                reading = self._driver.step()
                if reading is not None:
                    if last is not None:
                        self.periods.add(reading.stamp - last)
                    self._publish(reading)
                last = None if reading is None else reading.stamp
            except Exception as error:  # a mistake of ours must not leave the motors alone
                self.failure = f"{type(error).__name__}: {error}"
                self._driver.panic(error)
            self.work.add(time.perf_counter() - begin)

    def _serve(self) -> None:
        while True:
            try:
                do, future = self._requests.get_nowait()
            except queue.Empty:
                return
            if self._ended.is_set():
                future.set_result("the driver has ended")
                continue
            try:
                future.set_result(do())
            except Exception as error:
                self._driver.panic(error)
                future.set_exception(error)
