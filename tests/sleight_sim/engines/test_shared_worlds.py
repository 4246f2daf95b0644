"""Many worlds as one model, without the engine that runs it."""

import sys

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_sim.engines.warp_model import require_warp
from sleight_sim.objects.household import household_object
from sleight_sim.tasks.grasp.config import GraspTaskConfig
from sleight_sim.tasks.grasp.make import make_grasp_task
from sleight_sim.worlds.shared import share_worlds
from sleight_sim.worlds.tabletop import SolverOptions, build_model

THINGS = [household_object("cylinder", 0), household_object("bottle", 0), household_object("mug", 0)]


def test_every_variant_finds_its_own_meshes_in_the_shared_model():
    table, options = load_hand("shadow"), SolverOptions()
    pieces = max(len(thing.pieces) for thing in THINGS)
    variants = [build_model(table, thing, options, max_pieces=pieces) for thing in THINGS]
    worlds = share_worlds(table, THINGS, variants, options, max_pieces=pieces)
    assert worlds.model.nmesh == pieces + sum(len(thing.pieces) for thing in THINGS if len(thing.pieces) < pieces)
    for thing, own, row in zip(THINGS, variants, worlds.meshes, strict=True):
        for i in range(pieces):
            g = own.geom(f"object_piece_{i}").id
            assert g == worlds.model.geom(f"object_piece_{i}").id
            if i >= len(thing.pieces):
                assert row[g] == -1
                continue
            assert np.array_equal(vertices(own, own.geom_dataid[g]), vertices(worlds.model, row[g]))
        assert (row >= 0).sum() == len(thing.pieces)
    # All pieces of the model that all share collide as those of an object do.
    first = worlds.model.geom("object_piece_0")
    for i in range(pieces):
        assert worlds.model.geom(f"object_piece_{i}").contype == first.contype


def vertices(model, mesh):
    first = model.mesh_vertadr[mesh]
    return model.mesh_vert[first : first + model.mesh_vertnum[mesh]]


def test_an_engine_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    with pytest.raises(SleightError, match=r"mujoco_warp is not installed.*pip install 'sleight\[gpu\]'"):
        require_warp()
    with pytest.raises(SleightError, match="mujoco_warp is not installed"):
        make_grasp_task(GraspTaskConfig(), THINGS[:1], 1, engine="mujoco_warp")


def test_an_unknown_engine_names_the_known():
    with pytest.raises(SleightError, match=r"physx.*mujoco_warp"):
        make_grasp_task(GraspTaskConfig(), THINGS[:1], 1, engine="physx")
