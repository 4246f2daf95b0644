"""Trained parts of a composed bundle: networks untrained, everything else as a training leaves it."""

import torch
from sleight_core.compose import Ownership
from sleight_core.compose.features import ResidualFeatures
from sleight_description import load_hand
from sleight_sim.tasks.compose.config import TASKS
from sleight_training.compose.diffusion.config import SKILL_PRESETS, NoiseConfig, SkillRun
from sleight_training.compose.diffusion.policy import DiffusionPolicy
from sleight_training.compose.diffusion.skill import POLICY, write_policy
from sleight_training.compose.residual.policy import ResidualPolicy, ResidualSpec

HAND = load_hand("shadow_compose")
KEPT = ("lf", "th")
PUSH = {"hand_joints": 22, "wrist_quat": 4, "palm_to_handle": 3, "handle_pos": 3, "mechanism_joints": 1}
GRASP = {"hand_joints": 22, "wrist_quat": 4, "palm_to_object": 3, "object_to_target": 3}


def skill_folder(folder, task, terms):
    smoke = SKILL_PRESETS["smoke"]
    torch.manual_seed(0)
    run = SkillRun(
        preset="smoke",
        seed=0,
        task=TASKS[task].model_copy(update={"episode_steps": 20}),
        term_names=tuple(terms),
        observation_size=sum(terms.values()),
        action_size=28,
        demonstrations="none",
        demonstrations_sha256="0" * 64,
        episodes=1,
        network=smoke.network,
        noise=NoiseConfig(prediction="sample", sample_steps=1),
        learner=smoke.learner,
    )
    policy = DiffusionPolicy.of(run)
    policy.action.spread.fill_(0.05)
    policy.action.middle[2] = 0.8
    folder.mkdir(parents=True)
    write_policy(folder / POLICY, run, policy, {})
    return folder


def residual_file(path, kind, tasks, masks=(KEPT,), **changes):
    features, own = ResidualFeatures(HAND), Ownership(HAND, KEPT)
    terms = dict(features.stabiliser_sizes)
    if kind == "second":
        terms |= {f"second_{name}": size for name, size in PUSH.items()} | features.second_sizes
    columns = tuple(int(i) for i in own.columns(kind))
    spec = ResidualSpec(
        kind=kind, tasks=tasks, masks=masks, terms=terms, columns=columns, bounds=(0.1,) * 28, hidden=(16, 8), **changes
    )
    policy = ResidualPolicy.untrained(spec)
    torch.manual_seed(1)
    *_, last = policy.network.children()
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.normal_(last.weight)
    policy.save(path)
    return path
