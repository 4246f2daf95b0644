"""The grasp task for another hand than the one that its configuration was written for."""

from __future__ import annotations

from sleight_description import hand_alone, load_hand

from sleight_sim.tasks.grasp.config import GraspTaskConfig

#: Hands that feel no forces at their fingertips: their policies see none.
NUMB = ("leap",)
#: Least height of other hands' roots over the object in a near start (m): the LEAP Hand's palm reaches 39 mm down.
NEAR_GAP = {"leap": 0.047}


def for_hand(config: GraspTaskConfig, hand: str, arm_action: str | None = None) -> GraspTaskConfig:
    """Return the task for a hand, or for a hand on an arm.

    Args:
        config: The task for any hand.
        hand: Name of the hand, see `sleight_description.load_hand`.
        arm_action: How a hand on an arm acts, see `ArmConfig.action`; None: as the configuration has it.

    Raises:
        SleightError: There is no such hand.
    """
    load_hand(hand)
    update: dict[str, object] = {"hand": hand}
    alone = hand_alone(hand).name
    if alone in NEAR_GAP:
        update["near_gap"] = NEAR_GAP[alone]
    if alone in NUMB:
        update["terms"] = tuple(row for row in config.terms if row[0] != "fingertip_wrench")
    if arm_action is not None:
        update["arm"] = {**config.arm.model_dump(), "action": arm_action}
    return GraspTaskConfig.model_validate({**config.model_dump(), **update})
