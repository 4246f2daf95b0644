"""Which bundle and which profile a demo runs: as told, or those that are shipped for the hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sleight_core.bundle.files import read_manifest
from sleight_core.bundle.manifest import parse_manifest
from sleight_core.errors import SleightError

from sleight_ros.graph.description import emulates_bus, profile_for
from sleight_ros.profiles import profile_path

#: Bundle of each hand, where nobody chooses one.
BUNDLES = {"shadow": Path("policies/shadow_base"), "leap_ur5e": Path("policies/leap_ur5e_base")}


@dataclass(frozen=True)
class Choice:
    """What to run.

    Attributes:
        bundle: Folder of the policy bundle.
        profile: Shipped profile or parameter file.
        hand_driver: The profile's simulation is a hand's serial bus: its driver belongs into the graph.
    """

    bundle: Path
    profile: str
    hand_driver: bool


def choose(hand: str | None, bundle: Path | None, profile: str | None) -> Choice:
    """Complete what somebody asked for.

    Args:
        hand: Name of the hand, or None for the bundle's, and the Shadow Hand without one.
        bundle: Folder of the bundle, or None for the one shipped for the hand.
        profile: Profile, or None for the one shipped for the hand.

    Raises:
        SleightError: Nothing is shipped for the hand, or the bundle is for another one.
    """
    if bundle is None:
        hand = hand or "shadow"
        if hand not in BUNDLES:
            remedy = f"give --bundle, or choose one of {sorted(BUNDLES)}"
            raise SleightError("no bundle is shipped for this hand", value=hand, remedy=remedy)
        bundle = BUNDLES[hand]
        if not (bundle / "manifest.json").is_file():
            remedy = f"train one: sleight train base --hand {hand} --export {bundle}, or give --bundle"
            raise SleightError("there is no bundle for this hand yet", value=bundle, remedy=remedy)
    elif hand is not None or profile is None:
        trained = parse_manifest(read_manifest(bundle).decode("utf-8", errors="replace")).hand.name
        if hand not in (None, trained):
            raise SleightError(f"bundle {bundle} is for hand '{trained}'", value=hand, remedy=f"use --hand {trained}")
        hand = trained
    profile = profile or profile_for(hand or "shadow")
    return Choice(bundle, profile, emulates_bus(profile_path(profile)))
