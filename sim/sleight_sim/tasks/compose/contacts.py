"""Which finger touches what, and how hard: contact sensors from every finger to the object and to the mechanism."""

from __future__ import annotations

import mujoco
from sleight_core.hand import HandTable

#: Root bodies that fingers may touch, by what they are called here; a further mechanism's has a prefix before it.
OBJECT, MECHANISM = "object", "base"


def sensor_name(finger: str, partner: str) -> str:
    """Name of the sensor of a finger's contacts with a body."""
    return f"{finger}_on_{partner}"


def add_contact_sensors(spec: mujoco.MjSpec, table: HandTable, partner: str) -> None:
    """Add a sensor a finger: the net force (N, world axes) of its contacts with a body and all that hangs on it.

    They are MuJoCo's contact sensors, so that every engine that steps MuJoCo models computes them.

    Args:
        spec: A world with the hand and the body.
        table: The hand.
        partner: Name of the body.
    """
    first = {row.joint.name: row.name for row in table.bodies if row.joint is not None}
    for name, finger in table.fingers.items():
        sensor = spec.add_sensor(
            name=sensor_name(name, partner),
            type=mujoco.mjtSensor.mjSENS_CONTACT,
            objtype=mujoco.mjtObj.mjOBJ_XBODY,
            objname=first[finger.joints[0]],
            reftype=mujoco.mjtObj.mjOBJ_XBODY,
            refname=partner,
        )
        # Data (force), reduction (3: the net force), number of slots.
        sensor.intprm[:3] = [1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1]
