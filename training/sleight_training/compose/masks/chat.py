"""A small client of the OpenAI-compatible chat protocol, for one question with one answer.

It trusts neither the server nor the network: one deadline for the whole exchange, a bound on the answer's size, no
redirects (a key must not follow one to another host), and nothing that the server sent in an error's text. The key
comes from an environment variable, is sent to the configured host only, and is in no error, log or file. Proxies are
not used.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sleight_core.errors import SleightError


class ChatConfig(BaseModel):
    """Where and how to ask.

    Attributes:
        base_url: Up to and without "/chat/completions", for instance "https://api.example.org/v1".
        model: Name of the model there.
        key_variable: Environment variable with the key; not set: none is sent.
        timeout: For one attempt from connecting to the last byte, s.
        attempts: How often to try when the failure may pass.
        backoff: Wait after the first failure, s; doubled after each.
        longest_wait: Longest wait between attempts, whatever the server asks for, s.
        max_bytes: Largest answer.
    """

    # Whoever puts a key into the wrong field must not find it in an error.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    base_url: str
    model: str = Field(min_length=1)
    key_variable: str = "SLEIGHT_LLM_KEY"
    timeout: float = Field(default=60.0, gt=0)
    attempts: int = Field(default=3, ge=1)
    backoff: float = Field(default=1.0, ge=0)
    longest_wait: float = Field(default=30.0, ge=0)
    max_bytes: int = Field(default=1_000_000, ge=1)

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("needs http:// or https:// and a host")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("takes no user, password, query or fragment")
        if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
            raise ValueError("has characters that no URL has")
        _ = parts.port  # Raises ValueError.
        return url.rstrip("/")

    @field_validator("key_variable")
    @classmethod
    def _variable_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", name):
            raise ValueError("takes the name of an environment variable in capitals, never a key")
        return name


class ChatError(SleightError):
    """No usable answer.

    Attributes:
        passing: Whether another attempt may help.
        wait: Seconds that the server asks to wait, or None.
    """

    def __init__(self, what: str, *, passing: bool, wait: float | None = None) -> None:
        super().__init__(what)
        self.passing = passing
        self.wait = wait


def ask(config: ChatConfig, prompt: str, *, sleep: Callable[[float], None] = time.sleep) -> str:
    """Ask a question at temperature 0; return the text of the answer.

    Args:
        config: Where and how.
        prompt: The question, as the user's only message.
        sleep: Waits between attempts.

    Raises:
        ChatError: There is no answer after all attempts, or nothing that another attempt could mend.
        SleightError: The key cannot be sent.
    """
    key = _key(config)
    wait = config.backoff
    for attempt in range(1, config.attempts + 1):
        try:
            answer = _exchange(config, key, prompt)
        except ChatError as error:
            if not error.passing or attempt == config.attempts:
                raise ChatError(f"{error.what} (attempt {attempt} of {config.attempts})", passing=False) from None
            sleep(min(max(wait, error.wait or 0.0), config.longest_wait))
            wait *= 2.0
            continue
        if key and key in answer:
            raise ChatError("the model's answer holds the key, so it is not used", passing=False)
        return answer
    raise AssertionError("unreachable")


def _key(config: ChatConfig) -> str:
    """The key, or ""; checked here, as the HTTP library would put a bad one into its error's text."""
    key = os.environ.get(config.key_variable, "").strip()
    if key and (not key.isascii() or not key.isprintable() or " " in key):
        raise SleightError(
            f"the key in {config.key_variable} has characters that no key has", remedy="set it again, without quotes"
        )
    parts = urlsplit(config.base_url)
    if key and parts.scheme != "https" and not _is_this_machine(parts.hostname or ""):
        raise SleightError(
            "a key is not sent over plain http to another machine",
            value=parts.hostname,
            remedy=f"use https, or unset {config.key_variable}",
        )
    return key


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _exchange(config: ChatConfig, key: str, prompt: str) -> str:
    parts = urlsplit(config.base_url)
    payload = {"model": config.model, "messages": [{"role": "user", "content": prompt}], "temperature": 0}
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "sleight"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    connection = _connection(parts, config.timeout)
    with contextlib.closing(connection), _Deadline(config.timeout) as deadline:
        try:
            connection.connect()
            deadline.watch(connection.sock)
            connection.request("POST", f"{parts.path}/chat/completions", json.dumps(payload).encode(), headers)
            response = connection.getresponse()
            body = _body(response, config.max_bytes)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if deadline.passed or isinstance(error, TimeoutError):
                raise ChatError(f"no complete answer within {config.timeout:g} s", passing=True) from None
            # The type alone: some of these texts quote what the server or the caller sent.
            raise ChatError(f"the connection failed: {type(error).__name__}", passing=True) from None
        if deadline.passed:
            raise ChatError(f"no complete answer within {config.timeout:g} s", passing=True)
    _check_status(response)
    return _content(body)


def _connection(parts: SplitResult, timeout: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, parts.port, timeout=timeout)


class _Deadline:
    """Cuts a connection at a time: a socket's own timeout starts anew with every byte that a slow server sends."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def watch(self, sock: socket.socket) -> None:
        """Cut this socket; raises TimeoutError if the time is already over."""
        self._socket = sock
        if self.passed:
            raise TimeoutError

    def _cut(self) -> None:
        self.passed = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _body(response: http.client.HTTPResponse, most: int) -> bytes:
    length = response.getheader("Content-Length", "")
    if length.isdigit() and len(length) < 20 and int(length) > most:
        raise ChatError(f"the answer is larger than {most} bytes", passing=False)
    body = response.read(most + 1)
    if len(body) > most:
        raise ChatError(f"the answer is larger than {most} bytes", passing=False)
    # `read` with a limit does not say that a connection was closed early.
    if length.isdigit() and len(length) < 20 and len(body) < int(length):
        raise ChatError("the connection was closed before the end of the answer", passing=True)
    return body


def _check_status(response: http.client.HTTPResponse) -> None:
    status = response.status
    if status == 200:
        return
    if 300 <= status < 400:
        raise ChatError(f"HTTP {status}: redirects are not followed; give the final address", passing=False)
    passing = status in (408, 425, 429) or status >= 500
    asked = response.getheader("Retry-After", "").strip()
    wait = float(asked) if re.fullmatch(r"[0-9]{1,6}", asked) else None
    raise ChatError(f"HTTP {status}", passing=passing, wait=wait)


def _content(body: bytes) -> str:
    """The answer's text. A page of a proxy or half an answer may be gone at the next attempt."""
    try:
        data: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise ChatError("the answer is no JSON", passing=True) from None
    choices = data.get("choices") if isinstance(data, dict) else None
    if not isinstance(choices, list) or len(choices) != 1:
        raise ChatError("the answer does not have exactly one choice", passing=True)
    message = choices[0].get("message") if isinstance(choices[0], dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, str):
        raise ChatError("the answer has no text", passing=True)
    return content
