"""Frames between the simulator's process and the engine: a kind, a length, and float32 or int32 arrays; no objects."""

import json
import socket
import struct
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

#: Both ends must be of one version.
VERSION = 1
#: Kind and number of bytes that follow.
HEADER = struct.Struct("<IQ")
#: Larger frames are none.
LARGEST = 1 << 31

#: To the simulator: the world, as JSON; new episodes; one control step; a pull at the objects.
BUILD, RESET, STEP, FORCE = 1, 2, 3, 4
#: From it: the state of all environments; what went wrong, as text.
STATE, ERROR = 11, 12


def send(link: socket.socket, kind: int, *parts: bytes) -> None:
    """Send a frame."""
    link.sendall(HEADER.pack(kind, sum(len(part) for part in parts)))
    for part in parts:
        link.sendall(part)


def receive(link: socket.socket) -> Tuple[int, bytearray]:
    """Wait for a frame.

    Returns:
        Its kind and its content.

    Raises:
        EOFError: The other end is gone.
        ValueError: What came is no frame.
    """
    kind, size = HEADER.unpack(bytes(_exactly(link, HEADER.size)))
    if size > LARGEST:
        raise ValueError(f"a frame of {size} bytes")
    return kind, _exactly(link, size)


def _exactly(link: socket.socket, size: int) -> bytearray:
    content = bytearray(size)
    view = memoryview(content)
    while view:
        count = link.recv_into(view)
        if not count:
            raise EOFError("the other end is gone")
        view = view[count:]
    return content


def floats(array: Any) -> bytes:
    """Return an array as float32 bytes, C order."""
    return np.ascontiguousarray(array, dtype=np.float32).tobytes()


def integers(array: Any) -> bytes:
    """Return an array as int32 bytes."""
    return np.ascontiguousarray(array, dtype=np.int32).tobytes()


def read_floats(content: Any, widths: Sequence[int], rows: int, offset: int = 0) -> List[np.ndarray]:
    """Read matrices (rows, width) float32 that follow one another.

    Raises:
        ValueError: The content has another size.
    """
    wanted = offset + 4 * rows * sum(widths)
    if len(content) != wanted:
        raise ValueError(f"{len(content)} bytes, not {wanted}")
    found = []
    for width in widths:
        found.append(np.frombuffer(content, np.float32, rows * width, offset).reshape(rows, width))
        offset += 4 * rows * width
    return found


def describe(description: Dict[str, Any]) -> bytes:
    """Return a description of a world as bytes."""
    return json.dumps(description).encode("utf-8")


def state_fields(joints: int, fingers: int) -> List[Tuple[str, int]]:
    """Names and widths of one environment's state, in the order in which they travel; quaternions are wxyz."""
    return [
        ("joint_pos", joints),
        ("joint_vel", joints),
        ("wrist_pos", 3),
        ("wrist_quat", 4),
        ("wrist_linvel", 3),
        ("wrist_angvel", 3),
        ("fingertip_wrench", 6 * fingers),
        ("object_pos", 3),
        ("object_quat", 4),
        ("object_linvel", 3),
        ("object_angvel", 3),
    ]


#: Widths of what a reset brings for each environment, after the joints: wrist position and quaternion, the object's.
START_WIDTHS = (3, 4, 3, 4)
