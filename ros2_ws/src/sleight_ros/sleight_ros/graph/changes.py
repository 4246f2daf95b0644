"""Parameters that are changed on the command line: ``NODE.PARAMETER=VALUE``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import yaml
from sleight_core.errors import SleightError


def parse_changes(texts: Sequence[str], nodes: Collection[str]) -> dict[str, dict[str, Any]]:
    """Turn ``NODE.PARAMETER=VALUE`` into parameters by node.

    Args:
        texts: As given; the value is YAML.
        nodes: Names of the nodes that there are.

    Raises:
        SleightError: It is none, there is no such node, or the value cannot be read.
    """
    changes: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        node, dot, name = key.partition(".")
        if not (equals and dot and name) or node not in nodes:
            raise SleightError("--set wants NODE.PARAMETER=VALUE", value=text, remedy=f"nodes: {', '.join(nodes)}")
        try:
            changes.setdefault(node, {})[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise SleightError("the value of --set cannot be read", value=text, remedy="write it as YAML") from error
        if changes[node][name] is None:
            raise SleightError("--set has no value", value=text, remedy="an empty text is ''")
    return changes
