"""What can go wrong between a motor and its master."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from sleight_core.errors import SleightError

#: Kind of fault -> what it does.
FAULT_KINDS = {
    "drop": "the reply never comes",
    "corrupt": "bits of the reply are flipped",
    "truncate": "the reply ends in the middle",
    "late": "the reply comes after `delay`, into whatever is asked then",
    "duplicate": "the reply comes twice",
    "replay": "an old reply comes instead of the true one",
    "wrong_id": "the reply carries another motor's id",
    "noise": "random bytes come before the reply",
    "deaf": "the motors do not hear the instruction",
    "lose_writes": "the motors do not hear broadcast writes, which nobody acknowledges",
}
#: Those that strike an instruction, and not a reply.
INSTRUCTION_FAULTS = ("deaf", "lose_writes")


@dataclass
class Fault:
    """One fault that is in force.

    Attributes:
        kind: One of `FAULT_KINDS`.
        motors: Whose replies it strikes; None: all.
        count: How many more it strikes; None: all, until cleared.
        probability: Of striking one.
        delay: s, for "late".
    """

    kind: str
    motors: frozenset[int] | None = None
    count: int | None = None
    probability: float = 1.0
    delay: float = 0.02


class Faults:
    """The faults in force.

    Args:
        seed: Of the random numbers.
    """

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.struck: dict[str, int] = {}
        self._active: list[Fault] = []

    def add(
        self,
        kind: str,
        motors: Iterable[int] | None = None,
        *,
        count: int | None = None,
        probability: float = 1.0,
        delay: float = 0.02,
    ) -> None:
        """Put a fault in force; see `Fault`.

        Raises:
            SleightError: There is no such kind.
        """
        if kind not in FAULT_KINDS:
            raise SleightError("no such bus fault", value=kind, remedy=f"choose one of {', '.join(FAULT_KINDS)}")
        one = Fault(kind, None if motors is None else frozenset(motors), count, probability, delay)
        self._active.append(one)

    def clear(self) -> None:
        """End all faults."""
        self._active.clear()

    def strike(self, motor: int | None, kinds: Iterable[str]) -> Fault | None:
        """The first fault of some kinds that strikes this motor's reply now (None: an instruction), counted."""
        for fault in self._active:
            if fault.kind not in kinds or (
                fault.motors is not None and motor is not None and motor not in fault.motors
            ):
                continue
            if fault.probability < 1.0 and self.random.random() >= fault.probability:
                continue
            self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    self._active.remove(fault)
            return fault
        return None

    def damage(self, fault: Fault, data: bytes) -> bytes:
        """What arrives of a reply that a fault of one kind strikes: corrupt, truncate, noise."""
        if fault.kind == "truncate":
            return data[: self.random.randrange(1, len(data))]
        if fault.kind == "noise":
            return bytes(self.random.randrange(256) for _ in range(self.random.randrange(1, 40))) + data
        broken = bytearray(data)
        for _ in range(self.random.randrange(1, 4)):
            broken[self.random.randrange(len(broken))] ^= 1 << self.random.randrange(8)
        return bytes(broken)
