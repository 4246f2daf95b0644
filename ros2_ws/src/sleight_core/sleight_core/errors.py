"""Errors that a user can cause: each says what was wrong, with which value, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class SleightError(Exception):
    """A refused input or a wrong use; the command line prints it on one line and exits 2.

    Args:
        what: What is wrong, as a short clause.
        value: The offending value, shown verbatim (shortened when long).
        remedy: What the user can do about it.
    """

    def __init__(self, what: str, *, value: Any = None, remedy: str = "") -> None:
        self.what = what
        self.value = value
        self.remedy = remedy
        text = what
        if value is not None:
            shown = str(value)
            text += f": {shown[:197] + '...' if len(shown) > 200 else shown}"
        if remedy:
            text += f" ({remedy})"
        super().__init__(text)


class IncompleteError(SleightError):
    """An input with several faults, all of them told at once.

    Args:
        what: What is wrong, as a short clause.
        problems: One clause each: the field, and what to write there.
        remedy: What the user can do about it.
    """

    def __init__(self, what: str, problems: Sequence[str], *, remedy: str = "") -> None:
        super().__init__(f"{what}: {'; '.join(problems)}", remedy=remedy)
        self.what = what
        self.problems = tuple(problems)


class MissingExtraError(SleightError):
    """An optional dependency is needed and absent.

    Args:
        module: The module that failed to import.
        extra: The extra of this project that brings it.
    """

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"'{module}' is not installed, and this command needs it",
            remedy=f"run 'make setup EXTRAS={extra}' or pip install 'sleight[{extra}]'",
        )


class BundleError(SleightError):
    """A policy bundle that does not fit; names the field, both values and the remedy.

    Args:
        field: Dotted path of the manifest field, or the name of the file.
        expected: What was required.
        found: What the bundle has.
        remedy: What the user can do about it.
    """

    def __init__(self, field: str, *, expected: Any, found: Any, remedy: str) -> None:
        self.field = field
        self.expected = expected
        self.found = found
        super().__init__(f"bundle: {field}: expected {_short(expected)}, found {_short(found)}", remedy=remedy)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else text[:197] + "..."
