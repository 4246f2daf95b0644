# MuJoCo's classes live in compiled modules without stubs: without this file a type checker knows none of them.
from typing import Any

def __getattr__(name: str) -> Any: ...
