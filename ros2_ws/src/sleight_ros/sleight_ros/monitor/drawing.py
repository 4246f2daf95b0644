"""Draws a `View` for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sleight_ros.monitor.model import SILENT, BridgeView, JointView, PolicyView, ProblemView, SourceView, View

_STATES = {
    "IDLE": "dim",
    "BLENDING": "cyan",
    "ACTIVE": "green",
    "ENGAGED": "green",
    "HOLD": "bold yellow",
    "WAITING": "bold yellow",
    "STOPPED": "bold red",
    "FAULT": "bold red",
    "WARN": "yellow",
    "ERROR": "bold red",
    "STALE": "bold red",
}
#: Width of a bar.
_BAR = 24


def draw(view: View) -> RenderableType:
    """Draw everything."""
    parts: list[RenderableType] = [_bridge(view.bridge), _policy(view.policy, view.object)]
    if view.joints:
        parts.append(_joints(view.joints))
    if view.problems:
        parts.append(_problems(view.problems))
    return Group(*parts)


def _state(word: str) -> Text:
    return Text(word, _STATES.get(word, ""))


def _silence(seconds: float) -> Text:
    return Text(f"  silent for {seconds:.1f} s", "bold red") if seconds > SILENT else Text("")


def _bridge(bridge: BridgeView | None) -> RenderableType:
    if bridge is None:
        return Panel(Text("no hand_bridge is heard", "red"), title="bridge", title_align="left")
    why = f"  {bridge.reason}" + (f": {bridge.detail}" if bridge.detail else "")
    head = _state(bridge.state) + Text(why, "" if bridge.reason == "OK" else "yellow") + _silence(bridge.silent)
    sources = Table.grid(padding=(0, 2))
    for source in bridge.sources:
        sources.add_row(source.name, _age(source), _limit(source))
    counts = f"{bridge.sent} sent, {bridge.limited} limited, {bridge.overruns} overruns"
    return Panel(Group(head, sources, Text(counts, "dim")), title="bridge", title_align="left")


def _age(source: SourceView) -> Text:
    words = f"{1e3 * source.age:6.1f} ms" if source.age < 1e3 else "  never"
    return Text(words, "bold red" if source.late else "green" if source.limit is not None else "")


def _limit(source: SourceView) -> Text:
    return Text("limit unknown" if source.limit is None else f"of {1e3 * source.limit:.0f} ms", "dim")


def _policy(policy: PolicyView | None, seen: str) -> RenderableType:
    if policy is None:
        return Panel(Text("no policy_node is heard", "red"), title="policy", title_align="left")
    head = _state(policy.state) + Text(f"  {policy.bundle}", "dim")
    if policy.reason:
        head += Text(f"  {policy.reason}", "yellow")
    rows = Table.grid(padding=(0, 2))
    rows.add_row("rate", f"{_number(policy.rate, 1.0, 'Hz', 1)}, period error p99 {_ms(policy.period_error)}")
    rows.add_row("times p99", f"tick {_ms(policy.tick_time)}, inference {_ms(policy.inference_time)}")
    rows.add_row("ticks", f"{policy.sequence}, {policy.overruns} overruns")
    if seen:
        rows.add_row("object", Text(seen))
    for name, weight in policy.experts:
        rows.add_row(Text(name), Text(bar(weight)) + Text(f" {weight:.3f}"))
    if policy.residual_norm is not None:
        largest = _number(policy.residual_largest, 1.0, "", 3)
        rows.add_row("residual", f"norm {policy.residual_norm:.3f}, largest element {largest}")
    if policy.masked is not None:
        rows.add_row("mask", f"{policy.masked[0]} of {policy.masked[1]} elements belong to the second policy")
    return Panel(Group(head + _silence(policy.silent), rows), title="policy", title_align="left")


def bar(share: float, width: int = _BAR) -> str:
    """A bar for a share of 1; a weight outside 0 to 1 ends at the edge."""
    share = min(1.0, max(0.0, share)) if share == share else 0.0
    full = round(share * width)
    return "█" * full + "░" * (width - full)


def _joints(joints: list[JointView]) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    owners = any(joint.owner for joint in joints)
    for head in ("joint", "sent", "measured", "error", *(("owner",) if owners else ())):
        table.add_column(head, justify="left" if head in ("joint", "owner") else "right")
    for joint in joints:
        row = [joint.name, f"{joint.target:.3f}", f"{joint.measured:.3f}", f"{joint.error:+.3f}"]
        table.add_row(*row, *((joint.owner,) if owners else ()))
    return Panel(table, title="joints that lag most, rad", title_align="left")


def _problems(problems: list[ProblemView]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for problem in problems:
        table.add_row(_state(problem.level), Text(problem.node), Text(problem.message))
    return Panel(table, title="diagnostics", title_align="left")


def _ms(seconds: float | None) -> str:
    return _number(seconds, 1e3, "ms", 2)


def _number(value: float | None, factor: float, unit: str, digits: int) -> str:
    return "-" if value is None else f"{factor * value:.{digits}f} {unit}".strip()
