"""Recorded rollouts on two engines, and what differs, by name."""

from pathlib import Path

import numpy as np
from sleight_core.action import ActionSpec
from sleight_core.bundle import PolicySession, load_bundle
from sleight_core.observation import ObservationBuilder
from sleight_core.rotations import quat_conjugate, quat_multiply
from sleight_sim.engines import SimState

POLICY = Path(__file__).resolve().parents[3] / "policies" / "shadow_base"


def record(task, steps):
    """Let the shipped policy grasp: the commands that the task sent, (steps, B, A) rad and (steps, B, 6)."""
    bundle = load_bundle(POLICY, task.table, simulation=True)
    task.observation = ObservationBuilder(task.table, bundle.manifest.observation)
    task.action_spec = ActionSpec(task.table, bundle.manifest.action)
    policy = PolicySession(bundle)
    obs, _ = task.reset()
    sent = []
    for _ in range(steps):
        action, _ = policy.act_batch_weighing(obs)
        obs = task.step(action).obs
        sent.append((task.sent_targets.copy(), task.sent_twist.copy()))
    return tuple(np.stack(part) for part in zip(*sent, strict=True))


def differences(table, pair: tuple[SimState, SimState], limits: dict[str, float]) -> list[str]:
    """Say where two states are further apart than the limits by field; quaternions as angles (rad)."""
    found = []
    for name, limit in limits.items():
        x, y = (np.asarray(getattr(state, name)) for state in pair)
        if name.endswith("quat"):
            off = 2.0 * np.arcsin(np.minimum(np.linalg.norm(quat_multiply(quat_conjugate(x), y)[:, 1:], axis=-1), 1.0))
            off = off[:, None]
        else:
            off = np.abs(x - y).reshape(len(x), -1)
        for world, element in zip(*np.nonzero(~(off <= limit)), strict=True):
            label = table.joint_names[element] if name.startswith("joint") else f"[{element}]"
            found.append(f"world {world}: {name} {label}: off by {off[world, element]:.3g}, allowed {limit:g}")
    return found
