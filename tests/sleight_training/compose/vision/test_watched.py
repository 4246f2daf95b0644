"""What an estimator sees and is to say, and how a skill acts on what it believes."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")
pytest.importorskip("mujoco.batch", reason="the simulation extra is not installed")

from sleight_sim.tasks.compose.config import TASKS  # noqa: E402
from sleight_sim.tasks.compose.make import make_compose_task  # noqa: E402
from sleight_training.compose.scripted import ScriptedSkill  # noqa: E402
from sleight_training.compose.vision.config import (  # noqa: E402
    SCENE_CLOUD,
    CompanyConfig,
    EstimatorConfig,
    FeatureRun,
    LearnerConfig,
)
from sleight_training.compose.vision.errors import error_sizes, error_table, typical_errors  # noqa: E402
from sleight_training.compose.vision.estimator import estimator_terms  # noqa: E402
from sleight_training.compose.vision.network import FeatureNetwork  # noqa: E402
from sleight_training.compose.vision.watched import (  # noqa: E402
    BelievedTask,
    WatchedTask,
    task_quantities,
    unit_sizes,
)

B = 2
NETWORK = EstimatorConfig(cloud_points=64, point_widths=(8, 16), code_widths=(16,), hidden=(16,))


def watched(name, beside=(), share=1.0):
    task = make_compose_task(name, B, seed=2, num_threads=1)
    run = FeatureRun(
        preset="smoke",
        seed=0,
        task=task.config,
        skill="scripted",
        quantities=task_quantities(task.observation),
        units=(1.0,),
        network=NETWORK,
        learner=LearnerConfig(),
        clouds=SCENE_CLOUD,
        company=CompanyConfig(tasks=beside, share=share),
    )
    made = WatchedTask(task, run, seed=1)
    made.reset(np.arange(B))
    return made


@pytest.mark.parametrize("name", TASKS)
def test_who_believes_the_truth_sees_what_the_task_shows(name):
    one = watched(name)
    one.step(one.task.hold())
    shown, believed = one.task.observe(), one.terms(one.truth())
    assert list(shown) == list(believed)
    for term in shown:
        assert believed[term] == pytest.approx(shown[term], abs=1e-9), term
    assert one.truth().shape == (B, sum(one.quantities.values()))


@pytest.mark.parametrize("name", ["PushButton", "GraspBall"])
def test_what_is_seen_is_sensed_and_goes_on_with_time(name):
    one = watched(name)
    assert all(spec.provenance in ("proprioception", "perception") for spec in one.builder.specs)
    seen = one.seen()
    slices = one.builder.slices
    first, now = slices["first_scene_cloud_64"], slices["scene_cloud_64"]
    assert np.array_equal(seen[:, first], seen[:, now]), "an episode begins with its first cloud"
    for _ in range(6):
        one.step(one.task.hold())
    later = one.seen()
    assert np.array_equal(later[:, first], seen[:, first]) and not np.array_equal(later[:, now], seen[:, now])
    one.reset(np.array([1]))
    again = one.seen()
    assert np.array_equal(again[0, first], seen[0, first]) and not np.array_equal(again[1, first], seen[1, first])


@pytest.mark.parametrize("name", ["PushButton", "GraspBall"])
def test_a_script_goes_where_it_believes_the_thing_to_be(name):
    one = watched(name)
    moved = np.zeros_like(one.truth())
    moved[:, :2] = [0.03, -0.02]
    task: Any = BelievedTask(one.task, one.quantities, one.truth())
    steady = ScriptedSkill(task)
    history = np.zeros((B, 2, one.task.observation.size))
    ids = np.arange(B)
    for _ in range(2):
        right = steady.plan(history, ids)
    task.values = one.truth() + moved
    wrong = ScriptedSkill(task)
    for _ in range(2):
        off = wrong.plan(history, ids)
    assert off[:, -1, :3] - right[:, -1, :3] == pytest.approx(np.tile([0.03, -0.02, 0.0], (B, 1)), abs=1e-6)
    assert task.num_envs == B and task.config is one.task.config


@pytest.mark.parametrize(
    ("name", "beside"), [("PushButton", ("GraspBall", "PourMug")), ("GraspBall", ("PushButton", "OpenDoor"))]
)
def test_what_else_is_in_the_scene_is_for_the_eye_alone(name, beside):
    alone, together, absent = watched(name), watched(name, beside), watched(name, beside, share=0.0)
    assert together.in_company.all() and not absent.in_company.any() and not alone.in_company.any()
    for one in (alone, together, absent):
        for _ in range(3):
            one.step(one.task.hold())
    assert np.array_equal(alone.truth(), together.truth()) and np.array_equal(alone.truth(), absent.truth())
    own = alone.truth()[:, :3]
    far = [np.linalg.norm(one.clouds.current - own[:, None], axis=-1).max(axis=1) for one in (alone, absent, together)]
    # A button's case is 10 cm wide, a ball 7; a held object and a mechanism are farther away than that.
    assert np.abs(far[0] - far[1]).max() < 0.03 and (far[2] > far[0] + 0.02).all()


def test_errors_are_distances_and_angles():
    quantities = {"object_pos": 3, "object_quat": 4}
    truth = np.tile([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], (3, 1))
    said = truth.copy()
    said[:, 0] = 0.003
    said[:, 3:] = -2.0 * np.array([np.cos(0.1), np.sin(0.1), 0.0, 0.0])
    sizes = error_sizes(quantities, said, truth)
    assert sizes["object_pos"] == pytest.approx(np.full(3, 0.003))
    assert sizes["object_quat"] == pytest.approx(np.full(3, 0.2))
    assert typical_errors(quantities, said, truth) == pytest.approx({"object_pos": 0.003, "object_quat": 0.2})
    table = error_table(quantities, {"object_pos": "m", "object_quat": "rad"}, said, truth)
    assert table["object_pos"]["unit"] == "mm" and table["object_pos"]["median"] == pytest.approx(3.0)
    assert table["object_pos"]["elements"]["mean_abs"] == pytest.approx([3.0, 0.0, 0.0])
    assert table["object_quat"]["p95"] == pytest.approx(np.rad2deg(0.2))
    assert len(table["object_quat"]["elements"]["bias"]) == 4
    joints = error_sizes({"mechanism_joints": 2}, np.array([[0.1, -0.3]]), np.zeros((1, 2)))
    assert joints["mechanism_joints"] == pytest.approx([0.3])


def network(quantities, **changes):
    torch.manual_seed(0)
    table = make_compose_task("PushButton", 1, num_threads=1).table
    units = unit_sizes(quantities, np.array([0.02]))
    return FeatureNetwork(NETWORK, estimator_terms(table, NETWORK.terms), quantities, units)


@pytest.mark.parametrize(
    ("quantities", "moves"),
    [
        ({"handle_pos": 3, "mechanism_joints": 1}, [1, 1, 1, 0]),
        ({"object_pos": 3, "object_quat": 4}, [1] * 3 + [0] * 4),
    ],
)
def test_places_move_with_the_scene_and_nothing_depends_on_the_order_of_points(quantities, moves):
    net = network(quantities)
    # What depends on where on the table all is, is taken out: the last layer then says the same everywhere.
    torch.nn.init.zeros_(net.mlp[-1].weight)
    seen = torch.randn(5, sum(net.sizes))
    start = 22 + 4
    shift = torch.tensor([0.05, -0.1, 0.02])
    moved = seen.clone()
    moved[:, start : start + 3] += shift
    moved[:, start + 9 : start + 24] += shift.repeat(5)
    moved[:, start + 24 :] += shift.repeat(128)
    wanted = net(seen) + torch.tensor(moves) * torch.cat([shift, torch.zeros(len(moves) - 3)])
    assert torch.allclose(net(moved), wanted, atol=1e-5)
    torch.nn.init.normal_(net.mlp[-1].weight)
    mixed = seen.clone()
    mixed[:, -192:] = seen[:, -192:].reshape(5, 64, 3)[:, torch.randperm(64)].reshape(5, -1)
    assert torch.allclose(net(mixed), net(seen), atol=1e-4)
