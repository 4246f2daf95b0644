"""The simulator in the place of the robot's driver: it dies, and another one counts its time from zero."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("mujoco")

from sleight_ros.processes import Processes

from ..bundles import TERMS, tiny_bundle
from ..double import Double
from ..rig import BIAS, FOLLOWING, PATIENCE, STATE_AGE, Rig
from .cases import Case
from .measure import Told, assert_never_followed_old_data, react, row_of

pytestmark = [pytest.mark.serial, pytest.mark.slow]


class SimulatedRig(Rig):
    """Simulator, bridge and a policy that needs no object."""

    def __init__(self, folder):
        self.folder = folder
        self.bundle = folder / "bundle"
        tiny_bundle(
            self.bundle, bias=BIAS, terms=[term for term in TERMS if "object" not in term[0] and "goal" not in term[0]]
        )
        self.hand = "shadow"
        self.robot = Double(drives=False)
        self.processes = Processes(folder / "graph", int(os.environ["ROS_DOMAIN_ID"]))
        self.perception = False

    def __enter__(self):
        self.start_simulator()
        return super().__enter__()

    def start_bridge(self, **parameters):
        super().start_bridge(watch_object=False, **parameters)

    def start_simulator(self):
        """Start the simulator with a clock of its own, which begins at zero."""
        parameters = {"publish_clock": True, "objects": ["household:cylinder:0"]}
        self.processes.node("sim_node", "sleight_ros.nodes.sim_node", parameters)


@pytest.fixture
def simulated(graphs):
    rig = graphs.get("simulated", SimulatedRig)
    yield rig
    rig.robot.monitor.check()


def test_a_killed_driver_ends_in_a_hold_and_a_new_one_may_count_from_zero(simulated, matrix):
    title = "the simulator, as the driver, is killed (SIGKILL); the new one counts from zero"
    case = Case("driver_killed", title, ("STALE_JOINT_STATE",), STATE_AGE, "joint_state", "restart")
    simulated.follow()
    found = react(simulated, lambda: simulated.processes.kill("sim_node"), case)
    matrix.add(row_of(case, "driver", "holds", found))
    told = Told(simulated.robot)
    simulated.start_simulator()
    simulated.robot.wait(lambda: any(msg.state in FOLLOWING for msg in told.rows), 2 * PATIENCE, "the new driver")
    assert_never_followed_old_data(told.rows)
