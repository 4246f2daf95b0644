"""The simulator's process: ``python <folder> FD`` with one end of a socket; ends with the other end.

Its output goes to the log; nothing but frames goes over the socket.
"""

import json
import socket
import sys
from typing import Any

import numpy as np
import wire


def serve(link: socket.socket) -> None:
    """Build the world that the first frame describes, then do what the frames say until the other end is gone."""
    kind, content = wire.receive(link)
    if kind != wire.BUILD:
        raise ValueError(f"frame {kind} before the world")
    description = json.loads(bytes(content).decode("utf-8"))
    if description.get("version") != wire.VERSION:
        raise ValueError(f"the world is described in version {description.get('version')}, not {wire.VERSION}")
    # Isaac Gym refuses to be imported after torch, which `world` imports.
    from isaacgym import gymapi  # noqa: F401  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
    from world import World

    world = World(description)
    try:
        wire.send(link, wire.STATE, wire.floats(world.state()))
        while True:
            try:
                kind, content = wire.receive(link)
            except EOFError:
                return
            answer(link, world, kind, content)
    finally:
        world.close()


def answer(link: socket.socket, world: Any, kind: int, content: bytearray) -> None:
    """Do what one frame says."""
    if kind == wire.STEP:
        world.step(*wire.read_floats(content, (len(world.actuated), 6), world.num_envs))
    elif kind == wire.RESET:
        count = int(np.frombuffer(content, np.int32, 1)[0])
        ids = np.frombuffer(content, np.int32, count, 4)
        widths = (len(world.joint_names), *wire.START_WIDTHS)
        world.reset(ids, wire.read_floats(content, widths, count, 4 + 4 * count))
    elif kind == wire.FORCE:
        world.pull(wire.read_floats(content, (3,), world.num_envs)[0])
        return
    else:
        raise ValueError(f"frame {kind} is unknown")
    wire.send(link, wire.STATE, wire.floats(world.state()))


def main() -> int:
    """Serve, and tell the other end what went wrong."""
    with socket.socket(fileno=int(sys.argv[1])) as link:
        try:
            serve(link)
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            print(words, file=sys.stderr)
            try:
                wire.send(link, wire.ERROR, words.encode("utf-8"))
            except OSError:
                return 1
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
