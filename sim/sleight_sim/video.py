"""Videos of recorded states, rendered without a display."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sleight_core.errors import SleightError

if TYPE_CHECKING:
    import mujoco

FPS = 20
WIDTH, HEIGHT = 480, 360


@contextlib.contextmanager
def video_writer(path: Path, *, width: int = WIDTH, height: int = HEIGHT, fps: int = FPS) -> Iterator:
    """Open an H.264 file; yields a function that takes one (height, width, 3) uint8 frame.

    Raises:
        SleightError: The encoder cannot be started.
    """
    import imageio_ffmpeg

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        writer = imageio_ffmpeg.write_frames(
            str(path), (width, height), fps=fps, codec="libx264", macro_block_size=2,
            output_params=["-crf", "26", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-movflags", "+faststart"],
            ffmpeg_log_level="error",
        )  # fmt: skip
        writer.send(None)
    except (OSError, RuntimeError) as error:
        raise SleightError("the video encoder does not start", value=error) from error
    try:
        yield lambda frame: writer.send(np.ascontiguousarray(frame))
    finally:
        writer.close()


class NoGraphicsError(SleightError):
    """There is no OpenGL context to be had."""


class OffscreenRenderer:
    """Renders MuJoCo states with EGL (or whatever `MUJOCO_GL` says).

    Raises:
        NoGraphicsError: There is no OpenGL here.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        *,
        camera: str | mujoco.MjvCamera = "overview",
        width: int = WIDTH,
        height: int = HEIGHT,
    ) -> None:
        if not os.environ.get("DISPLAY"):
            os.environ.setdefault("MUJOCO_GL", "egl")
        import mujoco

        self.model = model
        self.data = mujoco.MjData(model)
        self.camera = camera
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = [1, 1, 1, 0, 0, 0]
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        # On a machine without a GPU the shadow map is nearly all of the work.
        model.vis.quality.shadowsize = 1024
        try:
            self._renderer = mujoco.Renderer(model, height, width)
        except Exception as error:  # each OpenGL backend raises its own types
            reason = " ".join(str(error).split()) or type(error).__name__
            raise NoGraphicsError(
                "pictures cannot be rendered here", value=reason, remedy="install libegl1 and libgl1"
            ) from error

    def frame(self, qpos: np.ndarray) -> np.ndarray:
        """Render one configuration (nq,) to (height, width, 3) uint8."""
        import mujoco

        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        self._renderer.update_scene(self.data, self.camera, self._option)
        return self._renderer.render()

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()


def render_states(model: mujoco.MjModel, states: Iterable[np.ndarray], write) -> None:  # noqa: ANN001
    """Render configurations (nq,) one after the other into a `video_writer`'s function."""
    renderer = OffscreenRenderer(model)
    try:
        for qpos in states:
            write(renderer.frame(qpos))
    finally:
        renderer.close()
