"""What is checked at every call, and what is remembered of it."""

import functools
import json
import os
from collections import Counter

#: Names of all calls that there are, made or not.
CONTRACT = {}
CALLS = Counter()
#: What tests want to look at.
SEEN = {}


class BreachError(Exception):
    """The adapter does what the API forbids."""


def want(condition, words):
    """Raise unless a condition holds."""
    if not condition:
        raise BreachError(words)


def api(stage, *kinds, optional=0):
    """A method of the API.

    Args:
        stage: "building" (before prepare_sim), "prepared" (after), or "any".
        kinds: Types of the arguments; a tuple of types where there are several.
        optional: How many of the last may be left out.
    """

    def decorate(method):
        name = method.__name__
        CONTRACT[name] = stage

        @functools.wraps(method)
        def checked(self, *given):
            want(not self.broken_off, f"{name} after destroy_sim")
            want(
                len(kinds) - optional <= len(given) <= len(kinds),
                f"{name} takes {len(kinds)} arguments, not {len(given)}",
            )
            for i, (value, kind) in enumerate(zip(given, kinds)):
                good = isinstance(value, kind) and (kind in (bool, object) or not isinstance(value, bool))
                want(good, f"argument {i} of {name} is a {type(value).__name__}, not {kind}")
            want(stage != "building" or not self.prepared, f"{name} after prepare_sim")
            want(stage != "prepared" or self.prepared, f"{name} before prepare_sim")
            CALLS[name] += 1
            return method(self, *given)

        return checked

    return decorate


class Struct(object):
    """A structure of the API: known attributes only, each of its type."""

    FIELDS = {}

    def __init__(self):
        for name, value in self.FIELDS.items():
            object.__setattr__(self, name, value() if isinstance(value, type) else value)

    def __setattr__(self, name, value):
        want(name in self.FIELDS, f"{type(self).__name__} has no '{name}'")
        known = self.FIELDS[name]
        kind = known if isinstance(known, type) else type(known)
        good = isinstance(value, (int, float) if kind is float else kind)
        want(
            good and (kind is bool or not isinstance(value, bool)),
            f"{type(self).__name__}.{name} is no {kind.__name__}",
        )
        object.__setattr__(self, name, value)


def write_record():
    """Write what was seen, where a test asks for it."""
    path = os.environ.get("ISAACGYM_DOUBLE_RECORD")
    if path:
        with open(path, "w") as file:
            json.dump({"calls": CALLS, "contract": CONTRACT, "seen": SEEN}, file)
