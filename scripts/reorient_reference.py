"""Rotations of the public LEAP policy in MuJoCo Playground's own model, beside which ours are reported.

Playground's `play_leap_reorient.py` shows the policy in a viewer, where a person drags the goal. This runs its control
loop and its model from a checkout, without the viewer, with the goals and the counting of Playground's training task.
Visual meshes are left out: they come from another repository and touch nothing.

    python scripts/reorient_reference.py CHECKOUT leap_reorient_policy.onnx --episodes 24 --noise 0 --json OUT
"""

from __future__ import annotations

import argparse
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import mujoco
import numpy as np
import onnxruntime as ort
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_to_matrix
from sleight_core.statistics import mean_interval
from sleight_sim.tasks.reorient.config import TRAINED_SIGHT, GoalConfig
from sleight_sim.tasks.reorient.goals import Goals, angle_between, random_quats

MODELS = Path("mujoco_playground/_src/manipulation/leap_hand/xmls")
SCENE = "scene_mjx_cube.xml"
#: As in the reference script: control period and physics step (s), action scale (rad), and episode (s).
PERIOD, TIMESTEP, SCALE, EPISODE = 0.05, 0.002, 0.5, 60.0
#: As in the training task: start of the cube and its half range (m), spread of the joints' start (rad), and a fall (m).
CUBE, CUBE_RANGE, JOINT_SPREAD, FALL = np.array([0.1, 0.0, 0.05]), 0.01, 0.1, -0.05


def load_model(checkout: Path) -> mujoco.MjModel:
    """Compile the scene with its collision shapes alone."""
    root = _merged(checkout / MODELS, SCENE)
    _strip(root)
    model = mujoco.MjModel.from_xml_string(ET.tostring(root, encoding="unicode"))
    model.opt.timestep = TIMESTEP
    return model


def _merged(folder: Path, name: str) -> ET.Element:
    out = ET.Element("mujoco")
    for child in ET.parse(folder / name).getroot():
        out.extend(_merged(folder, child.attrib["file"]) if child.tag == "include" else [child])
    return out


def _strip(element: ET.Element) -> None:
    for child in list(element):
        child.attrib.pop("material", None)
        if child.tag in ("mesh", "texture", "material") or (child.tag == "geom" and "mesh" in child.attrib):
            element.remove(child)
        else:
            _strip(child)


def episode(model: mujoco.MjModel, policy: ort.InferenceSession, seed: int, noise: float) -> tuple[int, bool]:
    """Play one episode.

    Args:
        model: The scene.
        policy: The network.
        seed: Of start, goals and errors.
        noise: Factor on the errors of the training's observation.

    Returns:
        Goals reached until the cube fell or the time was over, and whether it fell.
    """
    rng = np.random.default_rng(seed)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    lower, upper = model.actuator_ctrlrange.T
    data.qpos[:16] = np.clip(data.qpos[:16] + JOINT_SPREAD * rng.normal(size=16), lower, upper)
    data.ctrl[:] = data.qpos[:16]
    data.qpos[16:19] = CUBE + rng.uniform(-CUBE_RANGE, CUBE_RANGE, 3)
    data.qpos[19:23] = random_quats(1, rng)[0]
    goals = Goals(GoalConfig(), 1, rng)
    sight, last, rotations = TRAINED_SIGHT, np.zeros(16), 0
    mujoco.mj_forward(model, data)
    for _ in range(round(EPISODE / PERIOD)):
        joints = data.qpos[:16] + noise * rng.uniform(-sight.joints, sight.joints, 16)
        pos = data.qpos[16:19] + noise * rng.uniform(-sight.position, sight.position, 3)
        quat = data.qpos[19:23] + noise * rng.normal(0.0, sight.orientation, 4)
        turn = quat_multiply(quat / np.linalg.norm(quat), quat_conjugate(goals.quat[0]))
        palm = data.site("grasp_site").xpos
        seen = [joints, joints - data.ctrl, palm - pos, quat_to_matrix(turn)[1:].ravel(), last]
        last = np.asarray(policy.run(None, {"obs": np.concatenate(seen)[None].astype(np.float32)})[0])[0]
        data.ctrl[:] = np.clip(data.ctrl + SCALE * last, lower, upper)
        for _ in range(round(PERIOD / TIMESTEP)):
            mujoco.mj_step(model, data)
        reached = angle_between(data.qpos[19:23][None], goals.quat) < goals.config.threshold
        if data.qpos[18] < FALL:
            return rotations, True
        rotations += int(reached[0])
        goals.advance(reached, PERIOD)
    return rotations, False


def main() -> None:
    """Play episodes and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="folder of a checkout of mujoco_playground")
    parser.add_argument("policy", type=Path, help="leap_reorient_policy.onnx")
    parser.add_argument("--episodes", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument(
        "--noise", type=float, default=0.0, help="factor on the training's errors: 0 exact, 1 as trained"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not (options.checkout / MODELS / SCENE).is_file():
        parser.error(f"no {MODELS / SCENE} in {options.checkout}")
    model = load_model(options.checkout)
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = 1
    policy = ort.InferenceSession(options.policy, settings, providers=["CPUExecutionProvider"])
    rows = [episode(model, policy, options.seed + i, options.noise) for i in range(options.episodes)]
    counts = [count for count, _ in rows]
    result = {
        "rotations": {"mean": float(np.mean(counts)), "ci95": list(mean_interval(counts)), "each": counts},
        "held_success": float(np.mean([not fell for _, fell in rows])),
        "episodes": options.episodes,
        "seed": options.seed,
        "noise": options.noise,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
