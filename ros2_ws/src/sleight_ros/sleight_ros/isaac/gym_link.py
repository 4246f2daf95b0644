"""Two lines for an Isaac Gym script: show its joints to Sleight, and take a real hand's joints back.

    from sleight_ros.isaac.gym_link import GymLink

    link = GymLink(gym.get_actor_dof_names(env, hand))             # once, after the actor was made
    targets = link.exchange(gym.get_sim_time(sim), positions)      # in the loop; rad, in the order of the names

This one file needs Python 3.6 or newer and nothing else: no ROS, no numpy. Put `ros2_ws/src/sleight_ros` on PYTHONPATH,
or copy the file beside your script. The other end is Sleight's node `isaac_gym` on the same machine.
"""

import contextlib
import json
import socket
import time
import uuid
from typing import Any, Dict, List, Optional, Sequence, Tuple

#: Version of the datagrams; `sleight_ros.isaac.datagrams` reads and writes them at the other end.
VERSION = 1
#: Where the node listens, unless told otherwise: this machine only.
ADDRESS = ("127.0.0.1", 45660)
#: Commands older than this are none, s.
MAX_AGE = 0.5
#: Larger than any datagram.
BUFFER = 65536


class GymLink:
    """One end of the link between a simulation and Sleight; never blocks, never raises for want of the other end.

    Args:
        names: Names of the joints, in the order of every `positions`.
        address: Host and port of the node `isaac_gym`.
    """

    def __init__(self, names: Sequence[str], address: Tuple[str, int] = ADDRESS) -> None:
        self.names = [str(name) for name in names]
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"two joints have one name: {sorted(self.names)}")
        self._session = uuid.uuid4().hex[:12]
        self._sequence = 0
        self._command: Dict[str, float] = {}
        self._received = float("-inf")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(address)

    def exchange(self, sim_time: float, positions: Any) -> Optional[List[float]]:
        """Send the joints and take what came back.

        Args:
            sim_time: Time of the simulation, s; it must stand still while the simulation is paused.
            positions: Angles in the order of the names, rad: a list, an array or a tensor of one environment.

        Returns:
            Targets in the same order, rad, the given positions where a joint is not commanded; None while no fresh
            command has come, as in shadow mode, where the real hand follows.
        """
        angles: List[float] = [float(position) for position in positions]
        if len(angles) != len(self.names):
            raise ValueError(f"{len(self.names)} names, {len(angles)} positions")
        self._sequence += 1
        content = {"sleight": VERSION, "session": self._session, "sequence": self._sequence}
        content.update(time=float(sim_time), name=self.names, position=angles)
        # Nobody listens yet, or no more.
        with contextlib.suppress(OSError):
            self._socket.send(json.dumps(content).encode("utf-8"))
        self._listen()
        if time.monotonic() - self._received > MAX_AGE:
            return None
        return [self._command.get(name, angles[i]) for i, name in enumerate(self.names)]

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                content = json.loads(self._socket.recv(BUFFER).decode("utf-8"))
            except OSError:
                return
            except ValueError:
                continue
            if isinstance(content, dict) and content.get("sleight") == VERSION:
                self._command = dict(zip(content["name"], content["position"]))
                self._received = time.monotonic()
