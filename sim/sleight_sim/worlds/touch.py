"""Sensors of what an arm must not touch: the table, and the robot itself."""

from __future__ import annotations

import mujoco
import numpy as np
from sleight_core.hand import HandTable

#: The sensors' names begin so.
PREFIX = "touch_"


def add_touch_sensors(spec: mujoco.MjSpec, table: HandTable) -> None:
    """Add a contact sensor for arm links and palm with the table, and for pairs of the arm's shapes that must not meet.

    Fingers may touch the table and each other: that is how small things are grasped.

    Args:
        spec: A model with the robot and the geom "table".
        table: A hand on an arm.
    """
    carriers = _carriers(table)
    shapes = {shape.name for row in table.bodies if row.name in carriers for shape in row.collisions}
    for row in table.bodies:
        # What is fixed to the world meets nothing else that is.
        if row.name in carriers and row.collisions and row.parent != "world":
            _add(spec, row.name, mujoco.mjtObj.mjOBJ_BODY, row.name, "table")
    for first, second in table.self_collisions:
        if {first, second} & shapes:
            _add(spec, f"{first}_{second}", mujoco.mjtObj.mjOBJ_GEOM, first, second)


def touch_addresses(model: mujoco.MjModel) -> np.ndarray:
    """Where the sensors' values lie in `sensordata`: above 0, there is contact."""
    rows = [model.sensor(i) for i in range(model.nsensor)]
    return np.array([int(row.adr[0]) for row in rows if row.name.startswith(PREFIX)], dtype=int)


def _carriers(table: HandTable) -> set[str]:
    """Links that no finger moves: the arm's, and the rigid palm."""
    fingers = {name for finger in table.fingers.values() for name in finger.joints}
    moved: set[str] = set()
    for row in table.bodies:
        if row.parent in moved or (row.joint and row.joint.name in fingers):
            moved.add(row.name)
    return {row.name for row in table.bodies} - moved


def _add(spec: mujoco.MjSpec, name: str, kind: mujoco.mjtObj, first: str, second: str) -> None:
    found = 1 << int(mujoco.mjtConDataField.mjCONDATA_FOUND)
    spec.add_sensor(
        name=PREFIX + name,
        type=mujoco.mjtSensor.mjSENS_CONTACT,
        objtype=kind,
        objname=first,
        reftype=mujoco.mjtObj.mjOBJ_GEOM,
        refname=second,
        # What is told, how contacts are reduced (not), and how many are.
        intprm=[found, 0, 1],
    )
