"""Whether a bundle fits a robot as its profile describes it."""

from __future__ import annotations

from pathlib import Path

from sleight_core.bundle import load_bundle
from sleight_core.errors import SleightError
from sleight_core.safety.limits import DEFAULT_MARGIN
from sleight_description import load_hand

from sleight_ros.checks.parameters import node_parameters
from sleight_ros.checks.row import Row
from sleight_ros.policy_step import needed_sources

DEFAULT_PERIOD = 1.0 / 60.0


def check(bundle: Path, profile: Path) -> list[Row]:
    """Hand, joints, limits and period, then what the profile sets otherwise than in training."""
    policy, bridge = node_parameters(profile, "policy_node"), node_parameters(profile, "hand_bridge")
    name = f"bundle {bundle.name}"
    rows = []
    hands = {policy.get("hand", "shadow"), bridge.get("hand", "shadow")}
    periods = {policy.get("control_period", DEFAULT_PERIOD), bridge.get("control_period", DEFAULT_PERIOD)}
    for what, values in (("hand", hands), ("control_period", periods)):
        if len(values) > 1:
            detail = f"policy_node and hand_bridge have different '{what}': {sorted(values)}"
            rows.append(Row("profile", "fail", detail, "set it once for all nodes, under '/**'"))
    if rows:
        return rows
    try:
        found = load_bundle(bundle, load_hand(hands.pop()), period=periods.pop())
    except SleightError as error:
        return [Row(name, "fail", error.what + (f": {error.value}" if error.value else ""), error.remedy)]
    manifest = found.manifest
    rows.append(Row(name, "ok", f"{found.id} fits hand '{manifest.hand.name}' at {1 / manifest.control.period:.4g} Hz"))
    margin = bridge.get("margin", DEFAULT_MARGIN)
    if abs(margin - manifest.control.position_margin) > 1e-9:
        detail = (
            f"hand_bridge keeps {margin:g} rad from joint limits, training kept {manifest.control.position_margin:g}"
        )
        rows.append(Row("joint margin", "warn", detail, f"set 'margin' to {manifest.control.position_margin:g}"))
    changed = [key for key in ("velocity_scale", "wrist_speed_scale") if bridge.get(key, 1.0) != 1.0]
    changed += ["joint_acceleration"] if bridge.get("joint_acceleration") else []
    if changed:
        words = ", ".join(f"{key} {bridge[key]:g}" for key in changed)
        detail = f"{words}: the hand lags behind what the policy was trained with"
        rows.append(Row("speed limits", "warn", detail, "fine for first trials; 1 and 0 are as in training"))
    sees = "object" in needed_sources(manifest)
    if sees and not bridge.get("watch_object", True):
        detail = "the policy sees the object, but hand_bridge does not hold when it is lost"
        rows.append(Row("object", "warn", detail, "remove 'watch_object: false'"))
    if sees and not node_parameters(profile, "perception_node").get("cameras"):
        rows.append(Row("object", "fail", "the policy sees the object, but the profile has no camera", "add 'cameras'"))
    return rows
