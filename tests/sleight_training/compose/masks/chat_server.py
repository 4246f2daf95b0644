"""A real HTTP server that speaks the chat protocol, well or badly."""

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ChatServer(ThreadingHTTPServer):
    """A server on this machine with what it shall do, and the requests that it got: path, headers, body."""

    daemon_threads = True

    def __init__(self, behaviours):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours: list[Callable[[BaseHTTPRequestHandler], None]] = list(behaviours)
        self.requests: list[tuple] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    """Calls the next of the server's behaviours for each request; the last one stays."""

    protocol_version = "HTTP/1.1"
    server: ChatServer

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        server.requests.append((self.path, dict(self.headers), json.loads(body)))
        behaviours = server.behaviours
        behave = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        behave(self)
        self.close_connection = True

    def do_GET(self):
        self.server.requests.append((self.path, dict(self.headers), None))
        send(self, 200, b"{}")

    def log_message(self, format, *args):
        pass


def send(handler, status, body, headers=()):
    handler.send_response(status)
    for name, value in headers:
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def answer(content):
    """Answers with a text."""
    data = {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}
    return lambda handler: send(handler, 200, json.dumps(data).encode(), [("Content-Type", "application/json")])


def status(code, body=b"{}", headers=()):
    """Answers with a status."""
    return lambda handler: send(handler, code, body, headers)


def echo_key(handler):
    """Answers with the key that it was sent."""
    answer(f'{{"index": 1, "reason": "{handler.headers["Authorization"]}"}}')(handler)


def drip(handler):
    """Sends a byte now and then, for ever, so that no single read waits long."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass


def silent(handler):
    """Sends nothing until the other side is gone."""
    handler.connection.settimeout(20)
    with suppress(OSError):
        handler.connection.recv(1)


def cut(handler):
    """Promises a long answer and closes after a part of it."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')


def hang_up(handler):
    """Closes without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def endless(handler):
    """Sends a body without an end and without saying so."""
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(1000):
            handler.wfile.write(b"x" * 65536)
    except OSError:
        pass


@contextmanager
def serving(*behaviours: Callable):
    """A server on this machine; yields it with `url` and the `requests` that it got."""
    server = ChatServer(behaviours)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
