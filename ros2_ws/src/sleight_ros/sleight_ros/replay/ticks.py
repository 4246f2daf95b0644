"""What a recording knows of the policy's ticks: which message each source had to offer, and what the policy said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sleight_core.errors import SleightError
from sleight_msgs.msg import PolicyTelemetry

from sleight_ros.convert import stamp_to_ns
from sleight_ros.recording.reader import Track, read_recording
from sleight_ros.recording.topics import REPLAYED

#: Without these nothing can be replayed.
NEEDED = ("joint_states", "wrist/odometry", "policy/command", "policy/telemetry")
#: A tick's command is this near to its telemetry, in messages.
_NEAR = 8


@dataclass(frozen=True)
class Tick:
    """One tick of the policy.

    Attributes:
        time: When its telemetry was recorded, less the time that the tick took, ns.
        telemetry: What the policy said of it.
        command: What it published; None when the recording lacks it.
        joints: Index of its joint state; None when the recording lacks it.
    """

    time: int
    telemetry: Any
    command: Any
    joints: int | None


@dataclass(frozen=True)
class Engagement:
    """The policy was engaged at this time, ns."""

    time: int


class Session:
    """The policy's side of a recording.

    Args:
        path: The bag.
        namespace: Of the graph; None: the only one in the bag.

    Attributes:
        tracks: By name within the namespace.
        cut: Why the end of the recording is missing, "" when it is not.
        bundle_id: Of the policy that ran.
        frame: Name of the task frame.

    Raises:
        SleightError: No such bag, one that cannot be read, or one without what a replay needs.
    """

    def __init__(self, path: Path, namespace: str | None = None) -> None:
        recording = read_recording(path, REPLAYED)
        self.path, self.cut, self.seconds = recording.path, recording.cut, recording.seconds
        self.namespace = _namespace(recording.tracks, namespace, path)
        self.tracks: dict[str, Track] = {}
        for name in REPLAYED:
            track = recording.tracks.get(f"{self.namespace}/{name}")
            self.tracks[name] = track if track is not None else Track(name, lambda raw: raw)
        if missing := [name for name in NEEDED if not len(self.tracks[name])]:
            raise SleightError(
                "the recording lacks topics that a replay needs", value=", ".join(missing), remedy="record them as well"
            )
        self._joints: dict[int, int] = {}
        joints = self.tracks["joint_states"]
        for index in range(len(joints)):
            self._joints[stamp_to_ns(joints[index].header.stamp)] = index
        telemetry = self.tracks["policy/telemetry"]
        first = telemetry[0]
        self.bundle_id, self.frame = str(first.bundle_id), str(first.header.frame_id)

    @property
    def joint_names(self) -> list[str]:
        """Names of the joints that the recorded policy commanded; empty when it never did."""
        commands = self.tracks["policy/command"]
        return next((list(c.joint_names) for c in map(commands.__getitem__, range(len(commands))) if c.joint_names), [])

    def events(self) -> Iterator[Tick | Engagement]:
        """Engagements and ticks in the order in which they were recorded.

        Raises:
            SleightError: Another bundle took over in the middle.
        """
        telemetry = self.tracks["policy/telemetry"]
        for index in range(len(telemetry)):
            msg = telemetry[index]
            if msg.bundle_id != self.bundle_id:
                raise SleightError(
                    "the recording holds two bundles",
                    value=f"{self.bundle_id}, {msg.bundle_id}",
                    remedy="record each by itself",
                )
            time = int(telemetry.times[index])
            if len(msg.observation):
                command = self._command(int(msg.sequence), time)
                joints = self._joints.get(stamp_to_ns(command.state_stamp)) if command is not None else None
                yield Tick(time - int(1e9 * float(msg.tick_time)), msg, command, joints)
            elif msg.state == PolicyTelemetry.ENGAGED:
                yield Engagement(time)

    def _command(self, sequence: int, time: int) -> Any:
        """The command of a tick: it was published just before its telemetry."""
        commands = self.tracks["policy/command"]
        middle = commands.newest(time)
        for step in range(2 * _NEAR):
            index = middle + (step + 1) // 2 * (-1 if step % 2 else 1)
            if 0 <= index < len(commands):
                command = commands[index]
                if int(command.sequence) == sequence and command.bundle_id == self.bundle_id and command.joint_names:
                    return command
        return None


def _namespace(tracks: dict[str, Track], wanted: str | None, path: Path) -> str:
    """The namespace in which a policy spoke.

    Raises:
        SleightError: In none, in another than the wanted one, or in several.
    """
    ending = "/policy/telemetry"
    found = sorted(name.removesuffix(ending) for name in tracks if name.endswith(ending))
    if not found:
        raise SleightError(
            "there is no policy in this recording", value=path, remedy="record 'policy/telemetry' while it runs"
        )
    if wanted is not None:
        wanted = "/" + wanted.strip("/") if wanted.strip("/") else ""
        if wanted not in found:
            raise SleightError("no policy in this namespace", value=wanted or "/", remedy=f"there are {found}")
        return wanted
    if len(found) > 1:
        raise SleightError("several policies are in this recording", value=found, remedy="choose one by --namespace")
    return found[0]
