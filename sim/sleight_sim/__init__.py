"""Vectorised tasks and worlds over one engine interface."""

import os

# MuJoCo chooses its OpenGL when it is first imported; without a display only EGL works.
if not os.environ.get("DISPLAY"):
    os.environ.setdefault("MUJOCO_GL", "egl")
