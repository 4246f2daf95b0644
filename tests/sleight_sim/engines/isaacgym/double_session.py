"""An engine whose Isaac Gym is the contract double, in a process of its own."""

import json
import sys
from pathlib import Path

import numpy as np
from sleight_description import load_hand
from sleight_sim.engines.isaacgym.engine import GymOptions, IsaacGymEngine
from sleight_sim.engines.isaacgym.locate import DEVICE, PYTHON
from sleight_sim.objects.household import household_object
from sleight_sim.worlds.tabletop import PhysicsVariation, build_model

DOUBLE = Path(__file__).parent / "double"
SHADOW = load_hand("shadow")
THINGS = (household_object("box", 0), household_object("sphere", 0))
VARIATIONS = (PhysicsVariation(), PhysicsVariation(mass=2.0, friction=0.5, stiffness=1.5, damping=0.5, wrist_gain=1.2))


def use_double(monkeypatch, record, frame="local"):
    """Make the double the Isaac Gym of this process's children."""
    monkeypatch.setenv(PYTHON, sys.executable)
    monkeypatch.setenv(DEVICE, "cpu")
    monkeypatch.setenv("PYTHONPATH", str(DOUBLE))
    monkeypatch.setenv("ISAACGYM_DOUBLE_RECORD", str(record))
    monkeypatch.setenv("ISAACGYM_DOUBLE_FRAME", frame)


def make_engine(variant=(0, 1, 0), table=SHADOW):
    """An engine of some environments."""
    model = build_model(table, THINGS[0])
    return IsaacGymEngine(table, THINGS, VARIATIONS, variant, model, GymOptions(substeps=2))


def read_record(path):
    """What the double wrote when its simulation was destroyed."""
    return json.loads(Path(path).read_text())


def unit_quats(rng, count):
    """Random rotations (count, 4) wxyz."""
    quats = rng.normal(size=(count, 4))
    return quats / np.linalg.norm(quats, axis=-1, keepdims=True)
