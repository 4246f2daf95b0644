"""A training run's folder as a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rsl_rl.models import MLPModel
from sleight_core.bundle.manifest import ControlSection, ObjectSection, StartPose, TaskSection, TrainingSection
from sleight_core.errors import SleightError
from sleight_core.observation.spec import term_specs
from sleight_core.safety.limits import DEFAULT_MARGIN
from sleight_description import load_hand
from sleight_sim.tasks.grasp.arm import ArmCarrier, task_action
from sleight_sim.tasks.grasp.config import GraspTaskConfig
from sleight_sim.tasks.grasp.env import PALM_DOWN, GraspTask
from sleight_sim.tasks.grasp.make import make_grasp_task
from sleight_sim.worlds.tabletop import TABLE_HEIGHT
from sleight_training.base import base_objects
from sleight_training.hyper.actor import HyperActor, hyper_settings
from sleight_training.ppo.runner import actor_state
from sleight_training.run import RunConfig, read_run
from sleight_training.student.config import StudentRun
from sleight_training.weights import SUFFIX, read_weights
from tensordict import TensorDict

from sleight_export.bundle import Exported, ExportRequest, export_policy
from sleight_export.onnx_export import torch_actions

CHECKPOINT = "checkpoint.pt"
#: Golden observations in a bundle.
GOLDEN_COUNT = 64
#: Environments in which they are recorded, and how: the same ones each time.
GOLDEN_ENVS = 8
GOLDEN: dict[str, Any] = {"seed": 0, "num_threads": 1}


def export_run(
    folder: Path, out: Path, *, name: str = "", checkpoint: str = CHECKPOINT, overwrite: bool = False
) -> Exported:
    """Export the policy of a training run.

    Args:
        folder: The folder that ``sleight train base`` wrote, or the ``.safetensors`` file kept of it.
        out: Folder of the bundle.
        name: Name of the bundle; default: the name of its folder.
        checkpoint: File of the run to export.
        overwrite: Whether an existing bundle there is replaced.

    Raises:
        SleightError: The folder is no run, its checkpoint is missing, damaged or of another network, or the bundle is
            refused.
    """
    if folder.suffix == SUFFIX:
        source, (run, data) = folder, read_weights(folder)
    else:
        source, run = folder / checkpoint, read_run(folder)
        data = read_checkpoint(source)
    return export_policy(request_of(run, data, source, name or out.resolve().name), out, overwrite=overwrite)


def request_of(run: RunConfig, data: dict[str, Any], source: Path, name: str) -> ExportRequest:
    """Collect what a bundle needs from a run.

    Args:
        run: The run's configuration.
        data: A checkpoint of the run.
        source: Where the checkpoint came from, for messages.
        name: Name of the bundle.

    Raises:
        SleightError: The checkpoint is of another network.
    """
    if run.kind == "hyper":
        from sleight_export.hyper import hyper_request  # builds on this module

        return hyper_request(run, data, source, name)
    table = load_hand(run.task.hand)
    size = sum(spec.size for spec in term_specs(table, run.task.terms))
    actor = build_actor(run, data, size, task_action(table, run.task).size, source)
    things = base_objects(run.objects, GOLDEN_ENVS)
    return ExportRequest(
        name=name,
        actor=actor,
        golden=record_observations(actor, make_grasp_task(run.task.without_proposals(), things, GOLDEN_ENVS, **GOLDEN)),
        simulation=any(spec.provenance == "privileged" for spec in term_specs(table, run.task.terms)),
        description=f"Geometry-agnostic grasp policy for hand '{table.name}', learnt on {run.objects}.",
        **common_sections(run, data, ppo_algorithm(run)),
    )


def ppo_algorithm(run: RunConfig) -> str:
    """Learning algorithm of a run, for its bundle."""
    return f"PPO (rsl-rl-lib {run.versions.get('rsl-rl-lib', 'of unknown version')})"


def common_sections(run: RunConfig | StudentRun, data: dict[str, Any], algorithm: str) -> dict[str, Any]:
    """Return the parts of an `ExportRequest` that a run's configuration and progress give.

    Args:
        run: The run's configuration.
        data: A checkpoint of the run.
        algorithm: How it learnt.
    """
    config = run.task
    table = load_hand(config.hand)
    progress = data.get("progress", {})
    return dict(
        table=table,
        observation=term_specs(table, config.terms),
        action=task_action(table, config),
        control=ControlSection(period=config.control_period, position_margin=DEFAULT_MARGIN),
        task=TaskSection(
            name="grasp",
            goal=config.goal,
            success_radius=config.success_radius,
            hold_time=config.hold_steps * config.control_period,
            episode_time=config.episode_steps * config.control_period,
            start=start_pose(config),
            object=ObjectSection(set=run.objects, seed=0),
        ),
        training=TrainingSection(
            algorithm=algorithm,
            preset=run.preset,
            seed=run.seed,
            steps=int(progress.get("steps", 0)),
            wall_time=float(progress.get("seconds", 0.0)),
            git_commit=run.git_commit,
            command=run.command,
            versions=run.versions,
        ),
    )


def start_pose(config: GraspTaskConfig) -> StartPose:
    """Where a task's episodes start: the hand, and the joints of the arm that carries it, if there is one."""
    table = load_hand(config.hand)
    pos = np.array([0.0, 0.0, TABLE_HEIGHT + config.wrist_height])
    joints: dict[str, float] = {}
    if table.arm_joints:
        angles = ArmCarrier(table, config.control_period).start(pos[None], PALM_DOWN[None])[0]
        joints = dict(zip(table.arm_joints, map(float, angles), strict=True))
    return StartPose(
        wrist_position=tuple(map(float, pos)),  # type: ignore[arg-type]  # three numbers
        wrist_quat=tuple(map(float, PALM_DOWN)),  # type: ignore[arg-type]  # four numbers
        joints=joints,
    )


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running any code in it.

    Raises:
        SleightError: It is missing, damaged, or no checkpoint of PPO.
    """
    try:
        data = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError as error:
        remedy = "train until the first checkpoint, or give the folder that 'sleight train' wrote"
        raise SleightError("the run has no checkpoint", value=path, remedy=remedy) from error
    except Exception as error:  # zip, pickle and torch errors, all for a file that is no checkpoint
        raise SleightError("checkpoint cannot be read", value=path, remedy="train again or resume the run") from error
    if not isinstance(data, dict) or "actor_state_dict" not in data:
        raise SleightError("no checkpoint of PPO: it has no 'actor_state_dict'", value=path)
    return data


def build_actor(run: RunConfig, data: dict[str, Any], obs: int, outputs: int, path: Path) -> torch.nn.Module:
    """Build a run's actor as a deterministic network with its normaliser.

    Args:
        run: The run's configuration.
        data: A checkpoint.
        obs: Elements of the observation.
        outputs: Elements of the network's output: those of the action, or of a hyper-policy.
        path: Where the checkpoint came from, for messages.

    Raises:
        SleightError: The checkpoint is of another network.
    """
    settings = dict((hyper_settings(run.ppo, run.hyper) if run.hyper else run.ppo.rsl_rl())["actor"])
    settings.pop("class_name")
    kind = HyperActor if run.hyper else MLPModel
    groups = {"policy": torch.zeros(1, obs)}
    model = kind(TensorDict(groups, batch_size=[1]), {"actor": ["policy"]}, "actor", outputs, **settings)
    try:
        model.load_state_dict(actor_state(data))
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SleightError(
            "checkpoint is of another network than the run's configuration", value=path, remedy=reason
        ) from error
    if not all(bool(torch.isfinite(value).all()) for value in model.state_dict().values()):
        raise SleightError("checkpoint holds weights that are not finite", value=path, remedy="train again")
    return model.as_onnx(verbose=False).eval()


def record_observations(actor: torch.nn.Module, task: GraspTask) -> NDArray[np.float32]:
    """Let the policy grasp, and keep observations from all phases of the episodes.

    Args:
        actor: (B, D) -> (B, A).
        task: The task with objects that it was trained on.

    Returns:
        (GOLDEN_COUNT, D) float32, the same ones each time.
    """
    obs, _ = task.reset()
    seen = [obs]
    for _ in range(task.config.episode_steps - 1):
        seen.append(task.step(torch_actions(actor, seen[-1])).obs)
    rows = np.concatenate(seen)
    return rows[np.linspace(0, len(rows) - 1, GOLDEN_COUNT).astype(int)].astype(np.float32)
