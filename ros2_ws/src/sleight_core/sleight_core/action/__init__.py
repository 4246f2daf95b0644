"""Actions: named parts with scale, rule and the joints they own (architecture, contract 2)."""

from sleight_core.action.spec import ActionPart, ActionSpec, Command

__all__ = ["ActionPart", "ActionSpec", "Command"]
