"""Reaching an emulator in another process: one JSON object a line over a Unix socket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

from sleight_core.errors import SleightError

from sleight_ros.emulator.hand import LeapEmulator

#: What a client may call; nothing else is reachable.
METHODS = (
    "goals", "torques", "current_limits", "positions", "set_present",
    "unplug", "plug", "lose", "block", "heat", "trip", "draw", "reboot", "power_cycle", "turn",
)  # fmt: skip
#: Longest request that is read.
MAX_LINE = 65536


def call(emulator: LeapEmulator, name: str, arguments: dict[str, Any]) -> Any:
    """Call a method of an emulator, or of its faults (`add_fault`, `clear_faults`), by name.

    Raises:
        SleightError: There is no such method, or its arguments do not fit.
    """
    try:
        if name == "add_fault":
            with emulator.bus.lock:
                return emulator.faults.add(**arguments)
        if name == "clear_faults":
            with emulator.bus.lock:
                return emulator.faults.clear()
        if name in METHODS:
            return getattr(emulator, name)(**arguments)
    except (TypeError, ValueError) as error:
        raise SleightError(f"emulator: '{name}' cannot be called like this", value=arguments) from error
    raise SleightError(
        "emulator: no such method", value=name, remedy=f"one of {', '.join(METHODS)}, add_fault, clear_faults"
    )


class ControlServer:
    """Answers calls on a Unix socket until closed.

    Args:
        emulator: Whose methods are called.
        path: Where the socket is made; only this user can reach it.
    """

    def __init__(self, emulator: LeapEmulator, path: Path) -> None:
        self._emulator = emulator
        self._path = path
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        os.chmod(path, 0o600)
        self._socket.listen()
        threading.Thread(target=self._accept, name="emulator control", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream, contextlib.suppress(OSError):
            while line := stream.readline(MAX_LINE):
                stream.write(json.dumps(self._one(line)).encode() + b"\n")
                stream.flush()

    def _one(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            name, arguments = request["call"], request.get("with", {})
            if not isinstance(name, str) or not isinstance(arguments, dict):
                raise TypeError
        except (ValueError, TypeError, KeyError, AttributeError):
            return {"error": 'a request is {"call": NAME, "with": {ARGUMENTS}}'}
        try:
            return {"result": call(self._emulator, name, arguments)}
        except SleightError as error:
            return {"error": str(error)}


class EmulatorClient:
    """Calls an emulator in another process; a context manager.

    Args:
        path: Its control socket.

    Raises:
        SleightError: Nothing listens there.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(10.0)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise SleightError("no emulator listens there", value=path, remedy=str(error.strerror)) from error
        self._stream = self._socket.makefile("rwb")

    def __enter__(self) -> EmulatorClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self._socket.close()

    def __call__(self, name: str, **arguments: Any) -> Any:
        """Call a method by name.

        Raises:
            SleightError: The emulator refused, or is gone.
        """
        try:
            self._stream.write(json.dumps({"call": name, "with": arguments}).encode() + b"\n")
            self._stream.flush()
            line = self._stream.readline()
        except OSError as error:
            raise SleightError("the emulator is gone", value=name) from error
        if not line:
            raise SleightError("the emulator is gone", value=name)
        answer = json.loads(line)
        if "error" in answer:
            raise SleightError(answer["error"])
        return answer["result"]
