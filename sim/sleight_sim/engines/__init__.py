"""Physics engines behind one small interface."""

from sleight_sim.engines.base import Engine, InitialState, SimState

__all__ = ["Engine", "InitialState", "SimState"]
