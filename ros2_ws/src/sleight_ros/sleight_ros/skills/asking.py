"""Asks other nodes' services without ever blocking the executor."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.task import Future


class Questions:
    """One question at a time; a service that is not there is waited for.

    Args:
        patience: How long a service may be missing, s.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._unsent: tuple[Any, Any, Callable[[Any], None], Callable[[bool, str], None]] | None = None
        self._since = 0.0

    def ask(
        self, client: Any, request: Any, answered: Callable[[Any], None], failed: Callable[[bool, str], None]
    ) -> None:
        """Ask; a question that could not be sent yet is dropped.

        Args:
            client: Of the service.
            request: What to send.
            answered: Called with the response, whenever it comes.
            failed: Called with False and the reason when there is none.
        """
        self._unsent, self._since = (client, request, answered, failed), time.monotonic()
        self.pump()

    def drop(self) -> None:
        """Drop a question that could not be sent yet."""
        self._unsent = None

    def pump(self) -> None:
        """Send what waits for its service; call again and again."""
        if self._unsent is None:
            return
        client, request, answered, failed = self._unsent

        def read(future: Future) -> None:
            if future.cancelled():
                return
            if (error := future.exception()) is not None:
                failed(False, f"{type(error).__name__}: {error}")
            else:
                answered(future.result())

        if client.service_is_ready():
            self._unsent = None
            client.call_async(request).add_done_callback(read)
        elif time.monotonic() - self._since > self._patience:
            self._unsent = None
            failed(False, f"service '{client.srv_name}' is not there")
