"""What each task is, in words: the prompt's first part (paper B.7), and what pages and reasons say."""

from __future__ import annotations

from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.shapes import ShapeDraw

from sleight_training.compose.held.library import HeldLibrary

#: Objects of a grasp that a description lists, at most.
_LISTED = 6

DESCRIPTIONS: dict[str, str] = {
    "GraspBall": "The hand has grasped a ball of 6 to 7 cm diameter palm down, and keeps it lifted over a table.",
    "PourMug": "The hand has grasped a mug of 7 cm diameter from the side, lifted it, and keeps it tilted for pouring.",
    "PickCan": "The hand has grasped a can of 6 to 7 cm diameter from the side, and keeps it upright over a table.",
    "PickStick": "The hand has pinched a level stick of 2 to 3 cm diameter between fingertips and thumb, and keeps it "
    "lifted over a table.",
    "GraspCube": "The hand has grasped a cube of 5 to 6 cm edge palm down, and keeps it lifted over a table.",
    "OpenDoor": "The hand has to press a door's lever down with its fingers and push the door open by 30 degrees.",
    "PushButton": "The hand has to press a push button on a table down by a centimetre against its spring.",
    "OpenMicrowave": "The hand has to hook its fingers behind the upright bar of a microwave's door, overcome the "
    "catch and pull the door open by 45 degrees.",
    "TurnOnSwitch": "The hand has to push the lever of a bistable switch over from one end to the other.",
    "OpenDrawer": "The hand has to put its fingertips behind a level bar and pull a drawer open by 12 cm.",
}


def describe(task: str) -> str:
    """A task in words.

    Raises:
        SleightError: There is no such task.
    """
    if task not in DESCRIPTIONS:
        raise SleightError("there is no such DexCompose task", value=task, remedy=f"choose one of {list(DESCRIPTIONS)}")
    return DESCRIPTIONS[task]


def describe_held(library: HeldLibrary) -> str:
    """What the hand of a grasp's held states has done, in words; empty where the task's name says it.

    It has families and sizes and no names: a mesh file may be called anything, and this becomes part of a prompt.
    """
    shapes = [draw.spec for draw in library.draws if isinstance(draw, ShapeDraw)]
    if not shapes:
        return ""
    sizes = [" by ".join(f"{100 * side:.0f}" for side in sorted(thing.extents, reverse=True)) for thing in shapes]
    kinds = ["object" if thing.family == "mesh" else thing.family for thing in shapes]
    listed = [f"{kind}, {size} cm" for kind, size in zip(kinds, sizes, strict=True)]
    more = f"; and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    one = "this" if len(listed) == 1 else f"one of these {len(listed)}"
    return (
        f"The hand has picked up an object from a table, from above, and keeps it lifted: {one} "
        f"({'; '.join(listed[:_LISTED])}{more})."
    )
