"""Household objects: the same everywhere, sized for the hand, at rest where they say they rest, in one model layout."""

import hashlib

import mujoco
import mujoco.batch
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sleight_core.errors import SleightError
from sleight_sim.objects import FAMILIES, MAX_PIECES, ObjectSpec, add_object, household_object
from sleight_sim.objects.spec import MAX_REST_HEIGHT, make_spec

#: SHA-256 over the vertices of object 0 of every family, in whole micrometres.
VERTICES_SHA256 = "cfb3a0b8a3753a8d2380dce8a4c3bc1c476a0bdfa5ec7b6309e0073d20562426"


def scene(obj: ObjectSpec) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.option.timestep = 0.004
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1])
    body = spec.worldbody.add_body(name="object")
    body.add_freejoint()
    add_object(spec, body, obj)
    return spec.compile()


def test_vertices_are_the_same_on_every_machine() -> None:
    digest = hashlib.sha256()
    for family in FAMILIES:
        digest.update(np.round(household_object(family, 0).pieces * 1e6).astype("<i8").tobytes())
    assert digest.hexdigest() == VERTICES_SHA256


#: The same over objects 1, 7 and 100, with mass, centre of mass and resting heights in micrograms and micrometres.
#: Policies are trained and measured on these objects: a change here is a change of every result.
BASIC_SHA256 = "dff2f7489ef5b83000c58f79a94cab71deee8316b868aa2142fc29d0ee87e99e"


def test_basic_families_stay_what_they_are() -> None:
    digest = hashlib.sha256()
    for family in FAMILIES:
        for seed in (1, 7, 100):
            obj = household_object(family, seed)
            assert obj.name == f"household:{family}:{seed}"
            numbers = (obj.pieces, obj.com, obj.mass * 1e3, obj.stable_poses.heights, obj.friction)
            for values in numbers:
                digest.update(np.round(np.asarray(values) * 1e6).astype("<i8").tobytes())
    assert digest.hexdigest() == BASIC_SHA256


@pytest.mark.parametrize("family", FAMILIES)
def test_family_fits_the_hand(family: str) -> None:
    sizes = set()
    for seed in range(5):
        obj = household_object(family, seed)
        low, high = obj.pieces.reshape(-1, 3).min(axis=0), obj.pieces.reshape(-1, 3).max(axis=0)
        np.testing.assert_allclose(low, -high, atol=1e-9)
        assert 1 <= len(obj.pieces) <= MAX_PIECES
        assert 0.03 <= obj.mass <= 0.8
        assert np.sort(obj.extents)[0] > 0.012 or family == "phone"
        assert np.sort(obj.extents)[2] < 0.22
        assert (obj.stable_poses.heights <= MAX_REST_HEIGHT).all()
        assert obj.stable_poses.probabilities.sum() == pytest.approx(1.0)
        assert (obj.inertia > 0).all() and obj.inertia[2] <= obj.inertia[:2].sum() + 1e-12
        sizes.add(tuple(obj.extents.round(4)))
    assert len(sizes) == 5


def test_models_share_one_layout_and_rest_where_they_say() -> None:
    objects = [household_object(family, seed) for seed in (10, 11, 12) for family in FAMILIES]
    cases = [(obj, k) for obj in objects for k in range(min(3, len(obj.stable_poses)))]
    compiled = {obj.name: scene(obj) for obj in objects}
    assert len(compiled) >= 30
    models = [compiled[obj.name] for obj, _ in cases]
    batch = mujoco.batch.Batch(models[0], len(models), nthread=1)
    batch.set_models(models)
    qpos = batch.bind("qpos")
    quats = np.array([obj.stable_poses.quats[k] for obj, k in cases])
    heights = np.array([obj.stable_poses.heights[k] for obj, k in cases])
    qpos[:, 2], qpos[:, 3:] = heights + 0.003, quats
    batch.step(nstep=300)
    up = [Rotation.from_quat(q, scalar_first=True).inv().apply([0.0, 0.0, 1.0]) for q in (quats, qpos[:, 3:])]
    tilt = np.degrees(np.arccos(np.clip((up[0] * up[1]).sum(axis=1), -1, 1)))
    moved = np.abs(qpos[:, 2] - heights)
    for i, (obj, k) in enumerate(cases):
        assert moved[i] < 0.003 and tilt[i] < 3.0, f"{obj.name} pose {k}: {moved[i]:.4f} m, {tilt[i]:.1f} deg"


def test_model_carries_the_object() -> None:
    obj = household_object("mug", 3)
    model = scene(obj)
    assert model.body("object").mass[0] == pytest.approx(obj.mass)
    np.testing.assert_allclose(np.sort(model.body("object").inertia), np.sort(obj.inertia), rtol=1e-6)
    colliding = [i for i in range(MAX_PIECES) if model.geom(f"object_piece_{i}").contype[0] == 1]
    assert colliding == list(range(len(obj.pieces)))
    # MuJoCo computes the volume of each mesh itself: its mass at density 1 is the volume.
    volumes = []
    for piece in obj.pieces:
        spec = mujoco.MjSpec()
        spec.add_mesh(name="piece", uservert=piece.ravel())
        spec.worldbody.add_body().add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="piece", density=1.0)
        volumes.append(spec.compile().body_mass.sum())
    assert sum(volumes) == pytest.approx(obj.volume, rel=1e-3)


def test_mass_follows_density_and_inertia_follows_mass() -> None:
    pieces = [piece for piece in household_object("box", 1).pieces]
    light, heavy = (make_spec("b", "box", pieces, density=d, mass_limits=(0, 9)) for d in (100.0, 300.0))
    assert light.mass == pytest.approx(100.0 * light.volume)
    np.testing.assert_allclose(heavy.inertia, 3 * light.inertia)
    a, b, c = np.sort(light.extents)
    assert light.inertia[2] == pytest.approx(light.mass * (b * b + c * c) / 12, rel=0.02)


def test_several_objects_in_one_model_share_the_geoms() -> None:
    spec = mujoco.MjSpec()
    body = spec.worldbody.add_body(name="object")
    mug, can = household_object("mug", 0), household_object("can", 0)
    add_object(spec, body, [mug, can])
    model = spec.compile()
    assert model.nmesh == MAX_PIECES + len(can.pieces), "stand-ins of the first object only"
    assert model.ngeom == MAX_PIECES


def test_surface_points_lie_on_the_outer_surface() -> None:
    obj = household_object("mug", 0)
    points = obj.surface_points(400, np.random.default_rng(0))
    assert points.shape == (400, 3)
    inside = np.zeros(400, dtype=bool)
    for mesh in obj.piece_meshes:
        normals, origins = mesh.face_normals, mesh.triangles[:, 0]
        inside |= ((points[:, None] - origins[None]) * normals[None]).sum(axis=2).max(axis=1) < -1e-6
    assert not inside.any()
    np.testing.assert_allclose(np.ptp(points, axis=0), obj.extents, rtol=0.1)


def test_wrong_objects_are_refused() -> None:
    with pytest.raises(SleightError, match="choose one of box"):
        household_object("sofa", 0)
    with pytest.raises(SleightError, match="0 or more"):
        household_object("box", -1)
    with pytest.raises(SleightError, match="too tall"):
        make_spec("tower", "box", [household_object("sphere", 0).pieces[0] * 5])
    with pytest.raises(SleightError, match="1 to 16"):
        make_spec("none", "box", [])
    spec = mujoco.MjSpec()
    with pytest.raises(SleightError, match="more pieces"):
        add_object(spec, spec.worldbody.add_body(), household_object("mug", 0), max_pieces=4)
