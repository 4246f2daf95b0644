"""Isaac Gym Preview 4 as an engine: its own Python runs `process`, and `engine` speaks to it.

Isaac Gym's libraries exist for Python 3.6 to 3.8 only, ours need 3.10 and more; so the simulator is a process of its
own (docs/isaac.md, docs/decisions/010-isaac-gym-process.md).
"""
