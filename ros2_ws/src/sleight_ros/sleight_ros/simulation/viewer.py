"""A window onto the running simulation, for those who have a display."""

from __future__ import annotations

import threading
import time

from sleight_ros.simulation.realtime import RealtimeWorld

FRAME_PERIOD = 1.0 / 30.0


class ViewerThread(threading.Thread):
    """Shows the newest snapshot in MuJoCo's passive viewer; a new model gets a new window.

    Args:
        world: Where the snapshots come from.
    """

    def __init__(self, world: RealtimeWorld) -> None:
        super().__init__(name="viewer", daemon=True)
        self.failure = ""
        self._world = world
        self._ended = threading.Event()

    def stop(self) -> None:
        """Close the window."""
        self._ended.set()
        self.join(timeout=2.0)

    def run(self) -> None:
        """Show until `stop` or until the window is closed."""
        try:
            self._loop()
        except Exception as error:  # without a display the simulation goes on without a window
            self.failure = f"no viewer: {type(error).__name__}: {error}"

    def _loop(self) -> None:
        import mujoco.viewer

        model = data = window = None
        while not self._ended.is_set():
            snapshot = self._world.snapshot
            if snapshot is not None:
                if snapshot.model is not model:
                    if window is not None:
                        window.close()
                    model, data = snapshot.model, mujoco.MjData(snapshot.model)
                    window = mujoco.viewer.launch_passive(model, data, show_left_ui=False, show_right_ui=False)
                assert window is not None and data is not None
                if not window.is_running():
                    return
                with window.lock():
                    data.qpos[:] = snapshot.qpos
                    mujoco.mj_forward(model, data)
                window.sync()
            time.sleep(FRAME_PERIOD)
        if window is not None:
            window.close()
