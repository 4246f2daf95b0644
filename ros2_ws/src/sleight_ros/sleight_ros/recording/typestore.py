"""The message definitions of the graph, for reading and writing bags without ROS."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore
from sleight_core.errors import SleightError


def message_folder() -> Path:
    """Folder of our .msg files: of the installed package, or of the source tree.

    Raises:
        SleightError: There is none.
    """
    spec = importlib.util.find_spec("sleight_msgs")
    candidates = [Path(__file__).parents[2].parent / "sleight_msgs" / "msg"]
    if spec is not None and spec.origin:
        # <prefix>/lib/pythonX.Y/site-packages/sleight_msgs/__init__.py -> <prefix>/share/sleight_msgs/msg
        candidates += [parent / "share" / "sleight_msgs" / "msg" for parent in Path(spec.origin).parents]
    for folder in candidates:
        if any(folder.glob("*.msg")):
            return folder
    raise SleightError("the definitions of sleight_msgs are not to be found", remedy="run 'make setup'")


@lru_cache(maxsize=1)
def sleight_typestore() -> Typestore:
    """Standard messages of ROS 2 Jazzy and ours."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for path in sorted(message_folder().glob("*.msg")):
        types.update(get_types_from_msg(path.read_text(), f"sleight_msgs/msg/{path.stem}"))
    store.register(types)
    return store
