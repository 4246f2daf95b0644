"""Simulated sensors."""

from sleight_sim.sensors.depth import DepthCamera, DepthNoise, default_rig

__all__ = ["DepthCamera", "DepthNoise", "default_rig"]
