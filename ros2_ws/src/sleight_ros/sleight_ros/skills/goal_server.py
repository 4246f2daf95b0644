"""An action server whose goals are run by somebody else's timer, and which blocks no executor."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from sleight_msgs.msg import SkillOutcome, SkillRecord

from sleight_ros.skills.goals import Outcome


class GoalServer(ActionServer):
    """Accepts every goal, and leaves it running until `finish`.

    rclpy's own way is a callback that runs as long as the goal. It blocks a single-threaded executor, and as a
    coroutine it is polled without a pause. A goal is never rejected: a rejection could give no reason.

    Args:
        node: Its node.
        kind: The action.
        name: Its name.
        on_goal: Called with each new goal handle.
        on_cancel: Called with the handle of a goal that is to be canceled; only notes it.
    """

    def __init__(
        self,
        node: Any,
        kind: Any,
        name: str,
        on_goal: Callable[[GoalServer, ServerGoalHandle], None],
        on_cancel: Callable[[ServerGoalHandle], None],
    ) -> None:
        def accepted(handle: ServerGoalHandle) -> None:
            handle.execute()
            on_goal(self, handle)

        def canceled(handle: ServerGoalHandle) -> CancelResponse:
            on_cancel(handle)
            return CancelResponse.ACCEPT

        super().__init__(
            node,
            kind,
            name,
            lambda handle: None,
            goal_callback=lambda goal: GoalResponse.ACCEPT,
            handle_accepted_callback=accepted,
            cancel_callback=canceled,
        )

    def notify_execute(self, goal_handle: ServerGoalHandle, execute_callback: Any) -> None:
        """Leave the goal executing: `finish` ends it."""

    def finish(self, handle: ServerGoalHandle, outcome: SkillOutcome, skills: Sequence[SkillRecord] = ()) -> None:
        """End a goal and send its result.

        Args:
            handle: The goal.
            outcome: How it ended.
            skills: What came of each of its skills, in actions whose result has a place for it.
        """
        if outcome.code == Outcome.SUCCEEDED:
            handle.succeed()
        # A goal may have been canceled while it was about to end otherwise; the other way round rclpy refuses.
        elif outcome.code == Outcome.CANCELED and handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        result = self.action_type.Result(outcome=outcome)
        if skills:
            result.skills = list(skills)
        # This coroutine waits for nothing; an executor might not run it any more when the node ends.
        ending = self._execute_goal(lambda _: result, handle)
        with contextlib.suppress(StopIteration):
            ending.send(None)
