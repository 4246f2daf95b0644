"""Runs the official module's node, unchanged, from a checkout of its repository, with our terminal as its serial port.

    python official_runner.py CHECKOUT TERMINAL [ROS ARGUMENTS]...

Only the name of the port is replaced, where `dynamixel-sdk` opens it: the node and its own bus client run as they are.
"""

import runpy
import sys
from pathlib import Path

import dynamixel_sdk

CHECKOUT, TERMINAL = Path(sys.argv[1]), sys.argv[2]
SCRIPTS = CHECKOUT / "ros2_module" / "scripts"
_opened = dynamixel_sdk.PortHandler.__init__


def _open(self, _name):
    _opened(self, TERMINAL)


dynamixel_sdk.PortHandler.__init__ = _open  # type: ignore[method-assign]
sys.path.insert(0, str(SCRIPTS))
sys.argv = [str(SCRIPTS / "leaphand_node.py"), *sys.argv[3:]]
runpy.run_path(sys.argv[0], run_name="__main__")
