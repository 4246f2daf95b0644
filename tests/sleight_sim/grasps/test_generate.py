"""The generator and its judge on the real engine: small, seeded, the same on any number of threads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_rotate
from sleight_description import load_hand
from sleight_sim.cli.objects import app
from sleight_sim.grasps.distance import DistanceGrid
from sleight_sim.grasps.generate import Generator, GeneratorConfig
from sleight_sim.grasps.gripping import press_directions
from sleight_sim.grasps.hand_shape import HandShape
from sleight_sim.grasps.run import make_proposals
from sleight_sim.grasps.sampling import WristSampler
from sleight_sim.grasps.verify import OUTCOMES, Trial, pressed, verify
from sleight_sim.objects.household import household_object
from typer.testing import CliRunner

SHADOW, LEAP = load_hand("shadow"), load_hand("leap")
CYLINDER, MUG = household_object("cylinder", 0), household_object("mug", 0)
SMALL = GeneratorConfig(samples=24, rounds=1, improvements=1)


@pytest.fixture(scope="module")
def made():
    """Proposals of the cylinder, with the generator and what became of the samples."""
    generator = Generator(SHADOW, CYLINDER, SMALL, num_threads=1)
    proposals, report = generator.generate(6, seed=0)
    return generator, proposals, report


def test_distances() -> None:
    grid = DistanceGrid(CYLINDER)
    radius, height = 0.5 * CYLINDER.extents[0], CYLINDER.extents[2]
    centre, outside = np.zeros(3), np.array([radius + 0.01, 0.0, 0.0])
    assert grid(centre) == pytest.approx(-radius, abs=0.003)
    assert grid(outside) == pytest.approx(0.01, abs=0.002)
    assert grid(np.array([0.0, 0.0, 0.5 * height + 0.02])) == pytest.approx(0.02, abs=0.002)
    assert grid.gradient(outside)[0] > 0.99
    surface = MUG.surface_points(300, np.random.default_rng(0))
    assert np.abs(DistanceGrid(MUG)(surface)).max() < 0.004


@pytest.mark.parametrize("table", [SHADOW, LEAP], ids=lambda table: table.name)
def test_hands_are_understood_from_their_tables(table) -> None:
    shape = HandShape(table)
    assert shape.opposing == "th"
    centres, radii = shape.spheres(np.zeros((2, len(table.joint_names))))
    assert centres.shape == (2, len(radii), 3) and np.array_equal(centres[0], centres[1])
    assert set(shape.sphere_fingers) == {-1, *range(len(table.fingers))}
    postures = shape.random_postures(50, np.random.default_rng(0))
    assert (postures >= table.lower).all() and (postures <= table.upper).all()


def test_a_hand_on_an_arm_is_refused() -> None:
    with pytest.raises(SleightError, match="wrist is free"):
        HandShape(load_hand("leap_ur5e"))


def test_palms_stay_clear_and_over_the_table() -> None:
    sampler = WristSampler(HandShape(SHADOW), CYLINDER, on_table=True)
    found = sampler.draw(12, np.random.default_rng(0))
    assert 0 < len(found) <= 12
    centres, radii = sampler.shape.spheres(found.joints)
    placed = quat_rotate(np.repeat(found.quats[:, None], centres.shape[1], axis=1), centres) + found.positions[:, None]
    palm = sampler.shape.sphere_fingers < 0
    assert (sampler.grid(placed[:, palm]) - radii[palm]).min() > 0.0
    heights = np.einsum("npi,ni->np", placed, found.planes[:, :3]) + found.planes[:, 3:] - radii
    assert heights.min() > 0.0


def test_fingers_press_into_the_surface() -> None:
    sampler = WristSampler(HandShape(SHADOW), CYLINDER)
    found = sampler.draw(8, np.random.default_rng(0))
    press = press_directions(sampler.shape, sampler.grid, found.positions, found.quats, found.joints)
    hard = np.abs(found.press).max(axis=1, keepdims=True)
    assert np.abs(press).max() <= 1.0 and np.allclose(hard * press, found.press) and (hard <= 1.0 + 1e-12).all()
    moved = found.joints.copy()
    moved[:, SHADOW.actuated_index] += 0.05 * press

    def nearest(joints: np.ndarray) -> np.ndarray:
        centres, radii = sampler.shape.spheres(joints)
        turn = np.repeat(found.quats[:, None], centres.shape[1], axis=1)
        gaps = sampler.grid(quat_rotate(turn, centres) + found.positions[:, None]) - radii
        distal = sampler.shape.sphere_distal
        fingers = sampler.shape.sphere_fingers[distal]
        return np.stack([gaps[:, distal][:, fingers == f].min(axis=1) for f in range(5)], axis=1)

    assert np.median(nearest(moved) - nearest(found.joints)) < -0.0005


def test_proposals_are_made(made) -> None:
    _, proposals, report = made
    assert 1 <= len(proposals) <= 6 and report.held >= len(proposals)
    assert (
        report.sampled == 24
        and sum(report.outcomes.values()) == report.verified
        and set(report.outcomes) == set(OUTCOMES)
    )
    assert (proposals.scores > 0).all() and (proposals.scores <= 1).all()
    assert (proposals.joints >= SHADOW.lower).all() and (proposals.joints <= SHADOW.upper).all()
    for grasp in proposals:
        links = set(grasp.contacts.links)
        assert len(links) >= 2 and links <= {body.name for body in SHADOW.bodies}
        # Contacts are on the surface, and their normals point into the object.
        assert np.abs(DistanceGrid(CYLINDER)(grasp.contacts.points)).max() < 0.006
        deeper = DistanceGrid(CYLINDER)(grasp.contacts.points + 0.004 * grasp.contacts.normals)
        assert (deeper < DistanceGrid(CYLINDER)(grasp.contacts.points)).all()


def test_the_same_seed_gives_the_same_proposals(made) -> None:
    _, proposals, report = made
    again, other = Generator(SHADOW, CYLINDER, SMALL, num_threads=2).generate(6, seed=0)
    assert other == report
    assert np.array_equal(again.joints, proposals.joints) and np.array_equal(again.scores, proposals.scores)


def test_the_judge_tells_grasps_from_others(made) -> None:
    generator, proposals, _ = made
    verdict = verify(proposals, CYLINDER, num_threads=1)
    assert verdict.held.all() and np.array_equal(verdict.scores, proposals.scores)
    away = replace(proposals, wrist_positions=proposals.wrist_positions + [0.0, 0.0, 0.3])
    assert not verify(away, CYLINDER, num_threads=1).held.any()
    heavy = replace(CYLINDER, mass=50 * CYLINDER.mass, inertia=50 * CYLINDER.inertia)
    fallen = verify(proposals, heavy, num_threads=1)
    assert not fallen.held.any() and (fallen.scores == 0).all()
    # Without any pull everything that is taken hold of stays.
    calm = verify(proposals, CYLINDER, trial=Trial(gravity=0.0, shake=0.0), num_threads=1)
    assert calm.held.all()
    assert len(verify(proposals.select(np.zeros(0, dtype=int)), CYLINDER).held) == 0


def test_what_the_judge_refuses(made) -> None:
    _, proposals, _ = made
    with pytest.raises(SleightError, match="another object"):
        verify(proposals, MUG)
    limp = replace(proposals, targets=proposals.joints[:, SHADOW.actuated_index])
    with pytest.raises(SleightError, match="do not press"):
        verify(limp, CYLINDER)
    firm = pressed(limp, CYLINDER)
    assert np.abs(firm.targets - limp.targets).max() > 0.1


def test_the_generator_refuses_nothing_wanted() -> None:
    with pytest.raises(SleightError, match="1 or more"):
        Generator(SHADOW, CYLINDER, SMALL).generate(0)


def test_leap_proposals() -> None:
    proposals, report = Generator(LEAP, CYLINDER, replace(SMALL, samples=16), num_threads=1).generate(2, seed=0)
    assert report.verified > 0 and proposals.table is LEAP
    assert len(proposals) == min(2, report.held)


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    config = replace(SMALL, samples=8, improvements=0)
    arguments = ([CYLINDER, CYLINDER], SHADOW, 1, tmp_path, config)
    first = list(make_proposals(*arguments, num_threads=1))
    assert [one.kept for one in first] == [False]
    again = list(make_proposals(*arguments, num_threads=1))
    assert [one.kept for one in again] == [True]
    assert np.array_equal(first[0].proposals.joints, again[0].proposals.joints)
    assert {"yield", "diversity", "seconds", "made"} <= set(again[0].about)
    # Made in another way, or damaged: made again.
    other = list(make_proposals(*arguments, seed=3, num_threads=1))
    assert not other[0].kept
    other[0].file.write_bytes(other[0].file.read_bytes()[:-40])
    assert not next(make_proposals(*arguments, seed=3, num_threads=1)).kept


def test_the_command(tmp_path: Path) -> None:
    line = ["proposals", "household:cylinder:0", "--count", "1", "--samples", "24", "--rounds", "1", "--no-picture"]
    result = CliRunner().invoke(app, [*line, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "household:cylinder:0" in result.output and "1 proposals of 1 objects" in result.output
    assert len(list(tmp_path.glob("*.npz"))) == len(list(tmp_path.glob("*.json"))) == 1
