"""The nodes, each also a program: ``python -m sleight_ros.nodes.<name>_node``."""
