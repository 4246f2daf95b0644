"""mujoco_warp beside the default engine; on the first GPU, or on Warp's CPU device without one."""

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_sim.objects.household import household_object
from sleight_sim.tasks.grasp.config import EXACT_PERCEPTION, ROBUST, GraspTaskConfig
from sleight_sim.tasks.grasp.make import make_grasp_task
from sleight_sim.worlds.shared import SharedWorlds
from sleight_sim.worlds.tabletop import TABLE_HEIGHT, SolverOptions, build_model

from .parity import differences, record

pytest.importorskip("mujoco_warp", reason="mujoco_warp is not installed (extra gpu)")

from sleight_sim.engines.mujoco_warp import MujocoWarpEngine, WarpOptions
from sleight_sim.engines.warp_model import put_worlds

# Its kernels compile for a minute or two when they run for the first time on a machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

THINGS = [household_object(*name) for name in (("cylinder", 0), ("box", 0), ("bottle", 0), ("mug", 0))]
PHYSICS = ROBUST.model_copy(
    update={"size": (1.0, 1.0), "stretch": (1.0, 1.0), "push": 0.0, "joint_noise": 0.0, "wrench_noise": 0.0}
)
CONFIG = GraspTaskConfig(near_start=1.0, perception=EXACT_PERCEPTION, randomisation=PHYSICS)
STEPS = 80


def task(engine: str, config=CONFIG, **options):
    return make_grasp_task(config, THINGS, len(THINGS), seed=5, num_threads=1, engine=engine, **options)


def warp_task(**options):
    found = task("mujoco_warp", **options)
    assert isinstance(found.engine, MujocoWarpEngine)
    return found, found.engine


@pytest.fixture(scope="module")
def rollouts():
    """The same starts and commands on both engines: pairs of states, before the first and after each step."""
    targets, twists = record(task("mujoco"), STEPS)
    tasks = [task("mujoco"), task("mujoco_warp")]
    for each in tasks:
        each.reset()
    engines = [each.engine for each in tasks]
    states = [(engines[0].state(), engines[1].state())]
    for target, twist in zip(targets, twists, strict=True):
        for engine in engines:
            engine.step(target, twist)
        states.append((engines[0].state(), engines[1].state()))
    return engines, states


def test_both_start_alike(rollouts):
    engines, states = rollouts
    limits = {name: 1e-6 for name, value in vars(states[0][0]).items() if value is not None}
    assert differences(engines[0].table, states[0], limits) == []


def test_they_move_alike_until_the_hand_touches(rollouts):
    engines, states = rollouts
    limits = {"joint_pos": 5e-5, "wrist_pos": 2e-6, "wrist_quat": 5e-6, "object_pos": 2e-6, "object_quat": 5e-5}
    for k in range(1, 9):
        assert differences(engines[0].table, states[k], limits) == [], f"after step {k}"


def test_they_grasp_and_lift_alike(rollouts):
    engines, states = rollouts
    limits = {"joint_pos": 0.4, "wrist_pos": 0.002, "wrist_quat": 0.003, "object_pos": 0.015, "object_quat": 0.4}
    for k in range(9, STEPS + 1):
        assert differences(engines[0].table, states[k], limits) == [], f"after step {k}"
    for state in states[-1]:
        assert (state.object_pos[:, 2] - states[0][0].object_pos[:, 2] > 0.1).all()
    assert len({float(m) for m in engines[1].model.body_mass.numpy()[:, -1]}) == len(THINGS)


def test_a_reset_changes_its_worlds_alone():
    a, b = task("mujoco"), task("mujoco_warp")
    for each in (a, b):
        each.reset()
        for _ in range(3):
            each.engine.step(each.sent_targets, np.full((4, 6), 0.1))
    before = b.engine.state()
    ids = np.array([0, 2])
    for each in (a, b):
        each._start(ids)
    after, reference = b.engine.state(), a.engine.state()
    kept = np.array([1, 3])
    for name, value in vars(after).items():
        if value is None:  # `touching`, of a hand on no arm
            assert getattr(reference, name) is None
            continue
        assert np.array_equal(value[kept], getattr(before, name)[kept]), name
        assert value[ids] == pytest.approx(getattr(reference, name)[ids], abs=1e-6), name
    assert not (after.joint_vel[ids].any() or after.object_linvel[ids].any())


def test_a_world_that_diverges_is_told_and_can_start_again():
    t, engine = warp_task()
    t.reset()
    engine._qvel[1] = float("nan")
    result = t.step(np.zeros((4, t.num_actions)))
    assert result.ended is not None and result.ended.ids.tolist() == [1]
    for _ in range(3):
        result = t.step(np.zeros((4, t.num_actions)))
        assert not result.done.any() and np.isfinite(result.obs).all()


def test_a_force_pulls_in_the_task_frame():
    t = task("mujoco_warp", GraspTaskConfig(perception=EXACT_PERCEPTION))
    t.reset()
    before = t.engine.state()
    pull = np.tile([0.0, 0.3, 0.0], (4, 1))
    t.engine.apply_force(pull)
    t.engine.step(t.sent_targets, np.zeros((4, 6)))
    after = t.engine.state()
    gained = (after.object_linvel - before.object_linvel)[:, 1] / CONFIG.control_period
    masses = np.array([thing.mass for thing in t.objects])
    # At the frame's origin, beside the centre of mass, it turns the object as well: the origin gains a little more.
    assert (gained > 0.98 * 0.3 / masses).all() and (gained < 1.5 * 0.3 / masses).all()
    assert gained[1] == pytest.approx(0.3 / masses[1], rel=0.02)  # a box


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (WarpOptions(contacts=1), "more contacts .* contacts=1 .*WarpOptions.contacts"),
        (WarpOptions(constraints=8), "more constraint rows .* constraints=8 .*WarpOptions.constraints"),
    ],
)
def test_a_buffer_that_is_too_small_is_named(options, message):
    t = task("mujoco")
    model = build_model(t.table, THINGS[0], SolverOptions(), max_pieces=1)
    shared = SharedWorlds(model, (model,), model.geom_dataid[None])
    t.engine = engine = MujocoWarpEngine(t.table, shared, [0, 0, 0, 0], options=options)
    t.reset()
    with pytest.raises(SleightError, match=message):
        for _ in range(60):
            engine.step(t.sent_targets, np.tile([0, 0, -0.3, 0, 0, 0], (4, 1)))


def test_worlds_that_cannot_share_a_model_are_refused():
    table = load_hand("shadow")
    model, other = (build_model(table, THINGS[0], SolverOptions(), max_pieces=1) for _ in range(2))
    other.geom_condim[0] = 6
    with pytest.raises(SleightError, match="geom_condim"):
        put_worlds(SharedWorlds(model, (model, other), np.stack([model.geom_dataid] * 2)), [0, 1])


def test_an_unknown_device_names_the_known():
    with pytest.raises(SleightError, match=r"warp has no such device.*cuda:77.*cpu"):
        task("mujoco_warp", device="cuda:77")


def test_memory_is_counted_for_each_world():
    engines = [make_grasp_task(CONFIG, THINGS, n, engine="mujoco_warp").engine for n in (4, 16)]
    few, many = (engine.memory() for engine in engines if isinstance(engine, MujocoWarpEngine))
    assert 20e3 < many.per_world < 500e3
    assert few.per_world == pytest.approx(many.per_world, rel=0.1)
    assert few.shared == pytest.approx(many.shared, rel=0.1)


def test_the_task_observes_alike():
    a, b = task("mujoco"), task("mujoco_warp")
    obs = [each.reset()[0] for each in (a, b)]
    assert obs[0] == pytest.approx(obs[1], abs=1e-5)
    for _ in range(3):
        results = [each.step(np.full((4, each.num_actions), 0.1)) for each in (a, b)]
    assert results[0].obs == pytest.approx(results[1].obs, abs=2e-3)
    assert results[0].reward == pytest.approx(results[1].reward, abs=1e-3)
    assert (b.sim.object_pos[:, 2] > TABLE_HEIGHT).all()


def test_the_task_runs_on_tensors_as_on_numpy_arrays():
    import torch

    config = CONFIG.model_copy(update={"episode_steps": 6, "near_start": 0.5})
    a, b = task("mujoco_warp", config), task("mujoco_warp", config, arrays="torch")
    first = [each.reset()[0] for each in (a, b)]
    assert isinstance(first[1], torch.Tensor)
    assert first[0] == pytest.approx(first[1].cpu().numpy(), abs=1e-5)
    rng = np.random.default_rng(0)
    for step in range(8):  # past the end of the episodes
        action = rng.uniform(-1.2, 1.2, (4, a.num_actions))
        x, y = a.step(action), b.step(torch.as_tensor(action, device=b.like.device))
        for name in ("obs", "critic", "reward", "done"):
            value = getattr(y, name)
            assert isinstance(value, torch.Tensor) and value.device == b.like.device
            assert np.asarray(getattr(x, name)) == pytest.approx(value.cpu().numpy(), abs=2e-2), (step, name)
        assert x.terms == pytest.approx(y.terms, abs=1e-3)
        assert (x.ended is None) == (y.ended is None)
        if x.ended is not None and y.ended is not None:
            assert isinstance(y.ended.held, np.ndarray)
            assert np.array_equal(x.ended.ids, y.ended.ids) and np.array_equal(x.ended.held, y.ended.held)
