"""Why a node does not start, told to whoever started it in a file of its own: no word in a log can be taken for it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

#: Environment variable of a node that names the file; without it nobody asked, and the log alone says why.
FILE = "SLEIGHT_REFUSAL_FILE"


def tell_refusal(why: str) -> None:
    """Tell who started this process why it does not start, as one line; "" takes an earlier refusal back."""
    name = os.environ.get(FILE)
    if not name:
        return
    path = Path(name)
    with contextlib.suppress(OSError):
        if not why:
            path.unlink(missing_ok=True)
            return
        partial = path.with_name(f"{path.name}.part")
        partial.write_text(" ".join(why.split()), encoding="utf-8")
        partial.replace(path)


def read_refusal(path: Path) -> str:
    """What a process has told, from its file; "" when it did not refuse."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
