"""The files that Isaac Gym loads, read by a third-party library: the same hand, and the same objects."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("yourdfpy")

import torch
import trimesh
import yourdfpy
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_to_matrix
from sleight_description import load_hand, load_robot
from sleight_sim.engines.isaacgym.assets import WRIST_CHAIN, carried_hand, describe_world, object_urdf, write_assets
from sleight_sim.engines.isaacgym.engine import IsaacGymEngine
from sleight_sim.engines.isaacgym.process import wire, wrist
from sleight_sim.objects.household import household_object
from sleight_sim.worlds.tabletop import PhysicsVariation, build_model

MUG = household_object("mug", 0)


@pytest.mark.parametrize("name", ["shadow", "leap"])
def test_the_carried_hand_is_the_hand_at_the_wrists_pose(name, tmp_path):
    table = load_hand(name)
    (tmp_path / "hand.urdf").write_text(carried_hand(table))
    urdf = yourdfpy.URDF.load(str(tmp_path / "hand.urdf"), load_meshes=False, build_scene_graph=True)
    assert {joint for joint, _, _ in WRIST_CHAIN} == {*wrist.SLIDES, *wrist.TURNS}
    assert urdf.base_link == "world"
    rng = np.random.default_rng(0)
    for _ in range(10):
        joints = table.lower + rng.uniform(0.0, 1.0, len(table.joint_names)) * (table.upper - table.lower)
        place, angles = rng.uniform(-0.5, 0.5, 3), rng.uniform(-1.2, 1.2, 3)
        values = dict(zip((*wrist.SLIDES, *wrist.TURNS), (*place, *angles), strict=True))
        urdf.update_cfg({**values, **dict(zip(table.joint_names, joints, strict=True))})
        root = urdf.get_transform(table.root_body, "world")
        quat = wrist.quat_of(torch.tensor(angles[None])).numpy()[0]
        assert np.allclose(root[:3, 3], place, atol=1e-9)
        assert np.allclose(root[:3, :3], quat_to_matrix(quat), atol=1e-9)


def test_objects_keep_their_pieces_mass_and_inertia(tmp_path):
    write_assets(tmp_path, load_hand("shadow"), [MUG], [2.0])
    robot = ElementTree.fromstring((tmp_path / "object_0.urdf").read_text())
    meshes = [one.get("filename") for one in robot.findall("./link/collision/geometry/mesh")]
    assert len(meshes) == len(MUG.piece_meshes)
    for file, piece in zip(meshes, MUG.piece_meshes, strict=True):
        loaded = trimesh.load(tmp_path / str(file), force="mesh")
        assert isinstance(loaded, trimesh.Trimesh) and np.allclose(loaded.bounds, piece.bounds, atol=1e-6)
    mass = robot.find("./link/inertial/mass")
    moments = robot.find("./link/inertial/inertia")
    assert mass is not None and moments is not None
    assert float(mass.get("value", "nan")) == pytest.approx(2.0 * MUG.mass)
    full = {key: float(value) for key, value in moments.attrib.items()}
    matrix = np.array(
        [
            [full["ixx"], full["ixy"], full["ixz"]],
            [full["ixy"], full["iyy"], full["iyz"]],
            [full["ixz"], full["iyz"], full["izz"]],
        ]
    )
    assert np.allclose(np.sort(np.linalg.eigvalsh(matrix)), np.sort(2.0 * MUG.inertia), rtol=1e-6)
    assert object_urdf(MUG, 0, 2.0) == (tmp_path / "object_0.urdf").read_text()


def test_the_description_travels_as_json_and_names_everything(tmp_path):
    table = load_hand("shadow")
    variations = [PhysicsVariation(friction=0.5)]
    world = describe_world(tmp_path, table, [MUG], variations, [0, 0], control_period=1 / 60, substeps=2, device="cpu")
    assert json.loads(wire.describe(world)) == world
    assert [row["name"] for row in world["hand"]["joints"]] == list(table.joint_names)
    assert world["variants"][0]["friction"] == pytest.approx(0.5 * MUG.friction)
    assert world["num_envs"] == 2 and world["variant"] == [0, 0]


def test_a_hand_on_an_arm_is_refused():
    model = build_model(load_hand("shadow"), MUG)
    with pytest.raises(SleightError, match="floating wrist only"):
        IsaacGymEngine(load_robot("leap_ur5e").table, [MUG], [PhysicsVariation()], [0], model)
