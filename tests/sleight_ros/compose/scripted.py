"""A bundle of the tasks' scripts: each skill plays a whole script as one chunk, made of what it sees first."""

from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper, numpy_helper
from sleight_core.bundle.composed import SequenceSection, TransitionSection
from sleight_core.compose import Ownership, PoseCommand
from sleight_sim.tasks.compose.config import COMPOSITION_PLACE, SEQUENCE_PLACES, task_config
from sleight_sim.tasks.compose.experts import ScriptedExpert, Variation
from sleight_sim.tasks.compose.make import make_compose_task
from sleight_sim.tasks.compose.variation import StartDraw

from ...sleight_core.bundle.toys import toy_model
from ...sleight_core.compose.builders import ACTION, GRASP, HAND, PUSH, A, composition, make, pair, sequence, skill

#: Actions of a script and of staying at its end; the next chunk would begin anew, and does not come in time.
HORIZON, EXECUTE, LEAD = 400, 390, 4
GOAL = np.array([0.0, 0.0, 0.8])
#: In both observations the place comes after joints, orientation and the palm's offset: the object's from its goal, or
#: the handle's.
AT = slice(29, 32)
KEPT = ("th", "rf", "lf")
BOUNDS = (0.02,) * 6 + (0.1,) * 22
#: The script's grip lets a ball creep out of three fingers within 15 s: these joints close so much further, rad.
TIGHTER, CLOSING = 0.2, ("FFJ2", "MFJ2", "RFJ2", "LFJ2", "THJ3")


def middle(name: str, shift: float = 0.0) -> StartDraw:
    """The middle of a task's starts, its thing moved along x."""
    start = task_config(name).start
    wrist = np.mean(np.asarray(start.wrist_pos), axis=0)
    euler = np.array(start.wrist_euler)
    pose = ACTION.decode(np.concatenate([wrist, euler, np.zeros(22)])[None])
    place = np.array([[np.mean(start.x) + shift, np.mean(start.y), 0.0]])
    return StartDraw(pose.wrist_pos, pose.wrist_quat, place, np.array([[1.0, 0.0, 0.0, 0.0]]))


def script(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A task's script (H, 28) about a place (3,) m, and how far each action's wrist goes with that place (H, 1)."""
    task = make_compose_task(name, 1, seed=3)
    ids, played, places = np.array([0]), [], []
    for shift in (0.0, 0.05):
        starts = middle(name, shift)
        starts.place_pos[:, 2] = 0.6 + task.rest
        task.start(ids, starts)
        expert = ScriptedExpert(task, variation=Variation(0.0, 0.0, 0.0, (1.0, 1.0)))
        expert.plan()
        played.append(np.concatenate([expert.at(ids, np.array([k])) for k in range(HORIZON)]))
        retains = task.config.role == "retention"
        places.append(task.sim.object_pos[0] if retains else task.mechanism.handle_pos[0])
    return played[0], (played[1] - played[0])[:, :1] / 0.05, places[0]


def tighten(played: np.ndarray) -> None:
    """Let a grasp's script (H, 28) close further, as it closes."""
    before = 40  # it has come to the object, and not closed yet
    for joint in CLOSING:
        column = played[:, 6 + HAND.joint_names.index(joint)]
        share = (column - column[before]) / (column[-1] - column[before])
        column += TIGHTER * np.clip(share, 0.0, 1.0)


def player(name: str, observation: int) -> bytes:
    """The graph of a script: ``actions = script + weight * (place - middle)``, by the newest observation's place."""
    played, weight, place = script(name)
    if name == "GraspBall":
        tighten(played)
    retains = task_config(name).role == "retention"
    pick = np.zeros((2 * observation, 3))
    pick[observation:][AT] = -np.eye(3) if retains else np.eye(3)
    arrays = {
        "pick": pick,
        "off": (GOAL if retains else np.zeros(3)) - place,
        "weight": weight,
        "wrist": np.eye(3, A),
        "script": played,
        "nothing": np.array(0.0),
    }
    inits = [numpy_helper.from_array(np.asarray(value, np.float32), key) for key, value in arrays.items()]
    inits.append(numpy_helper.from_array(np.array([1, 2 * observation], np.int64), "flat"))
    nodes = [
        helper.make_node("Reshape", ["history", "flat"], ["seen"]),
        helper.make_node("MatMul", ["seen", "pick"], ["there"]),
        helper.make_node("Add", ["there", "off"], ["moved"]),
        helper.make_node("MatMul", ["weight", "moved"], ["shift"]),
        helper.make_node("MatMul", ["shift", "wrist"], ["all"]),
        helper.make_node("Add", ["all", "script"], ["row"]),
        helper.make_node("Mul", ["noise", "nothing"], ["silence"]),
        helper.make_node("Add", ["silence", "row"], ["actions"]),
    ]
    inputs = {"history": [1, 2, observation], "noise": [1, HORIZON, A]}
    return toy_model(nodes, inits, inputs, {"actions": [1, HORIZON, A]})


def start_of(name: str, place: tuple[float, ...]) -> tuple[float, ...]:
    """Where a transition to a task at some place ends: the middle of its starts, with an open hand."""
    start = middle(name)
    opened = HAND.posture("open")[HAND.actuated_index]
    pose = PoseCommand(start.wrist_pos + np.array(place), start.wrist_quat, opened[None])
    return tuple(map(float, ACTION.clip(ACTION.encode(pose))[0]))


def scripted(folder: Path, later: tuple[str, ...] = ("PushButton", "TurnOnSwitch")) -> Path:
    """Write a bundle of GraspBall and one or two interactions, without residuals."""
    second = later[0]
    places = dict(zip(later, SEQUENCE_PLACES if len(later) > 1 else ((0.0, 0.0, 0.0),), strict=True))
    lengths = {"horizon": HORIZON, "execute": EXECUTE, "lead": LEAD}
    skills = [skill("GraspBall", GRASP, place=COMPOSITION_PLACE, **lengths)]
    skills += [skill(name, PUSH, place=place, **lengths) for name, place in places.items()]
    own = Ownership(HAND, KEPT)
    kept = {"preserved": own.preserved, "mask": tuple(own.second.tolist()), "bounds": BOUNDS}
    ways = [
        TransitionSection(hold=2, steps=60, settle=10, target=start_of(name, place)) for name, place in places.items()
    ]
    pairs = (pair("GraspBall", second, residuals=(), transition=ways[0], **kept),)
    rows: tuple[SequenceSection, ...] = ()
    if len(later) > 1:
        way = ways[1].model_copy(update={"leave": 30, "retreat": (0.0, 0.08, 0.08)})
        names = {"between": second, "second": later[1]}
        rows = (sequence(**names, transition=way, first_residual=None, second_residual=None, **kept),)
    graphs: dict[str, Any] = {f"skill_{one.name}": player(one.name, one.observation_size) for one in skills}
    composed = composition(skills=tuple(skills), pairs=pairs, sequences=rows)
    return make(folder, composed, simulation=True, count=1, **graphs)
