"""The simulated robot of `sim_node`: the only part of `sleight_ros` that imports `sleight_sim`."""
