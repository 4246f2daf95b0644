"""Starting nodes as processes of their own and getting rid of them again, whatever happens.

Used by the demo, the benchmarks and the tests, which all must work where `ros2 launch` does not exist.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from sleight_core.errors import SleightError

from sleight_ros.refusal import FILE, read_refusal

#: Shared-memory files of Fast DDS; a killed process leaves its own behind.
SHM = Path("/dev/shm")
SHM_PREFIXES = ("fastrtps_", "fastdds_", "sem.fastrtps_", "sem.fastdds_")
#: How often it is looked up which of them a process uses, s.
SHM_LOOK_PERIOD = 2.0
#: How long a process may take to end after SIGTERM, s.
GRACE = 6.0


class GraphError(SleightError):
    """The graph did not do what it should: no fault of the user's input."""


class DeadNodeError(GraphError):
    """A node ended by itself; the message names it."""


def private_domain() -> int:
    """A ROS domain that nobody else on this machine is likely to use: 1 to 80 (to 101 all are safe everywhere)."""
    return random.SystemRandom().randrange(1, 81)


def graph_environment(domain: int, log_folder: Path) -> dict[str, str]:
    """Environment of a graph that stays on this machine.

    Args:
        domain: ROS domain.
        log_folder: Gets the log files of ROS.
    """
    log_folder.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ)
    environment.pop("ROS_LOCALHOST_ONLY", None)
    environment.update(
        ROS_DOMAIN_ID=str(domain),
        ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
        ROS_LOG_DIR=str(log_folder),
        RCUTILS_COLORIZED_OUTPUT="0",
        RCUTILS_LOGGING_BUFFERED_STREAM="0",
        PYTHONUNBUFFERED="1",
        # Numerical libraries would start one thread a core in every node; the control loop needs the cores.
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
    )
    return environment


@dataclass
class Process:
    """A running node.

    Attributes:
        name: Name for messages.
        popen: The process.
        log: Its output.
        refusal_file: Where it tells why it does not start.
        shm: Shared-memory files it was seen to use.
    """

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    refusal_file: Path
    shm: set[str] = field(default_factory=set)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.popen.poll() is None

    @property
    def refusal(self) -> str:
        """Why it does not start, as it says itself; "" when it does."""
        return read_refusal(self.refusal_file)

    def last_words(self, lines: int = 3) -> str:
        """The end of its output, on one line."""
        try:
            text = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return " | ".join(line.strip() for line in text[-lines:])


class Processes:
    """A set of processes that ends together; a context manager.

    Args:
        folder: Gets one ``<name>.log`` and one ``<name>.yaml`` a node.
        domain: ROS domain of all.
    """

    def __init__(self, folder: Path, domain: int | None = None) -> None:
        self.folder = folder
        self.domain = private_domain() if domain is None else domain
        self.environment = graph_environment(self.domain, folder / "ros")
        self.running: dict[str, Process] = {}
        self._looked = 0.0
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Processes:
        # SIGTERM, or a closed terminal, must end the nodes as well as Ctrl-C does.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGHUP):
                self._handlers[number] = signal.signal(number, _interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._handlers.clear()

    def node(
        self,
        name: str,
        module: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        profile: Path | None = None,
        namespace: str = "",
        niceness: int = 0,
        arguments: Sequence[str] = (),
        ros_arguments: Sequence[str] = (),
    ) -> Process:
        """Start a node.

        Args:
            name: Its name in the graph.
            module: Run with ``python -m``.
            parameters: Override those of the profile.
            profile: Parameter file for all nodes.
            namespace: Namespace of the node.
            niceness: Added to the process's niceness: perception must yield to control.
            arguments: Of the program itself.
            ros_arguments: More of those that ROS reads.
        """
        arguments = [*arguments, "--ros-args", "-r", f"__node:={name}", *ros_arguments]
        if namespace:
            arguments += ["-r", f"__ns:={namespace}"]
        if profile is not None:
            arguments += ["--params-file", str(profile)]
        if parameters:
            path = self.folder / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            # The wildcard of the file and the exact name both match; later files win for the same kind of key.
            path.write_text(yaml.safe_dump({"/**": {name: {"ros__parameters": dict(parameters)}}}))
            arguments += ["--params-file", str(path)]
        return self.start(name, [sys.executable, "-m", module, *arguments], niceness=niceness)

    def start(self, name: str, command: Sequence[str], *, niceness: int = 0) -> Process:
        """Start any program; its output goes to ``<name>.log``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log, refusal_file = self.folder / f"{name}.log", (self.folder / f"{name}.refusal").resolve()
        refusal_file.unlink(missing_ok=True)
        with log.open("wb") as output:
            popen = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**self.environment, FILE: str(refusal_file)},
                # A session of its own: Ctrl-C reaches only us, and we end the nodes in order.
                start_new_session=True,
                preexec_fn=_follow_parent(niceness),
            )
        self.running[name] = process = Process(name, popen, log, refusal_file)
        return process

    def check_refusal(self, name: str) -> None:
        """Raise SleightError if a node says that it does not start."""
        if words := self.running[name].refusal:
            raise SleightError(f"{name} refused to start: {words}")

    def check(self) -> None:
        """Raise if any process has ended: SleightError if it refused to start, else DeadNodeError."""
        for name, process in self.running.items():
            status = process.popen.poll()
            if status is not None:
                self.check_refusal(name)
                how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
                raise DeadNodeError(f"node '{process.name}' ended with {how}", value=process.last_words() or None)
        if time.monotonic() - self._looked > SHM_LOOK_PERIOD:
            self._looked = time.monotonic()
            for process in self.running.values():
                process.shm |= _shared_memory(process.popen.pid)

    def wait_for(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        """Wait until a condition holds while all processes live.

        Args:
            condition: Asked every 20 ms.
            what: For the message.
            timeout: s.

        Raises:
            DeadNodeError: A process ended meanwhile.
            GraphError: The time is over.
        """
        end = time.monotonic() + timeout
        while not condition():
            self.check()
            if time.monotonic() > end:
                raise GraphError(f"timed out after {timeout:.0f} s waiting for {what}", remedy=f"see {self.folder}")
            time.sleep(0.02)

    def kill(self, name: str) -> None:
        """Kill one process without warning, and forget it (for fault tests)."""
        process = self.running.pop(name)
        process.shm |= _shared_memory(process.popen.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.popen.pid, signal.SIGKILL)
        process.popen.wait()
        self._forget_shared_memory([process])

    def end(self, name: str) -> int:
        """End one process in order; return its exit status."""
        process = self.running.pop(name)
        self._end([process])
        return process.popen.returncode

    def stop(self) -> None:
        """End all: SIGTERM, then SIGKILL; then remove the shared memory that they left."""
        processes = list(self.running.values())
        self.running.clear()
        self._end(processes)

    def _end(self, processes: list[Process]) -> None:
        for process in processes:
            if process.alive:
                process.shm |= _shared_memory(process.popen.pid)
        # SIGTERM and not SIGINT: a process that is still importing would answer the latter with a traceback.
        for number, grace in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 5.0)):
            left = [process for process in processes if process.alive]
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.popen.pid, number)
            end = time.monotonic() + grace
            while any(process.alive for process in left) and time.monotonic() < end:
                time.sleep(0.02)
        self._forget_shared_memory(processes)

    def _forget_shared_memory(self, processes: list[Process]) -> None:
        mine = set().union(*(process.shm for process in processes)) if processes else set()
        mine -= set().union(*(_shared_memory(p.popen.pid) for p in self.running.values())) if self.running else set()
        mine -= _shared_memory(os.getpid())
        for path in mine:
            _remove_unless_used(Path(path))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _follow_parent(niceness: int) -> Callable[[], None]:
    """Make a child end when we die in any way, SIGKILL included: no orphans."""

    def prepare() -> None:
        pr_set_pdeathsig = 1
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0)
        if niceness:
            with contextlib.suppress(OSError):
                os.nice(niceness)

    return prepare


def _shared_memory(pid: int) -> set[str]:
    """Files of Fast DDS in /dev/shm that a process has mapped."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return set()
    found = {line.split(None, 5)[5] for line in lines if str(SHM) in line and len(line.split(None, 5)) == 6}
    return {path for path in found if Path(path).name.startswith(SHM_PREFIXES)}


def _remove_unless_used(path: Path) -> None:
    """Remove a file and its lock, unless a process that is not ours has it mapped."""
    if not path.exists():
        return
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            if str(path) in maps.read_text():
                return
    for one in (path, path.with_name(path.name + "_el"), path.with_name(f"sem.{path.name}_mutex")):
        with contextlib.suppress(OSError):
            one.unlink()
