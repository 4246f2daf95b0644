"""What all nodes share: guarded lifecycle, ranged parameters, diagnostics, and the loop that runs one of them."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import (
    InvalidParameterException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterException,
    ParameterUninitializedException,
)
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sleight_core.environment import refuse_mixed_ros
from sleight_core.errors import SleightError

from sleight_ros.refusal import tell_refusal
from sleight_ros.timing import request_realtime

#: Newest sample only, lost ones are not repeated: for states, where the next one is better than a late one.
NEWEST = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
#: A publisher of states offers reliability, so that both kinds of subscriber match.
STATE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE)
#: Commands and reports: none may be lost on the way to a recorder that is late; a driver still takes only the newest.
RELIABLE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.RELIABLE)
#: The last value is there for who comes late.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

#: Diagnostics wait for the end of a control step, unless none has ended for so long, s.
BREATH = 0.25
#: A signal is noticed when the executor wakes up, at the latest after this time, s.
SIGNAL_PATIENCE = 0.1

RCLError = rclpy_implementation.RCLError
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class SleightNode(LifecycleNode):
    """A lifecycle node whose transitions refuse with a message instead of raising.

    A subclass declares its parameters in `__init__` and fills the four hooks `setup`, `start`, `halt` and `teardown`.

    Args:
        name: Node name.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.active = False
        #: Why the node is not configured, "" otherwise.
        self.refusal = ""
        self.text("executor", "events", "'events' (half the cost a message) or 'single'.")
        self.integer("realtime_priority", 0, 0, 80, "Schedule before ordinary processes, where allowed; 0: do not.")
        self.flag("autostart", True, "Configure and activate without a lifecycle manager.")
        self._owned: list[Callable[[], Any]] = []
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._report_due, self._breath = False, -1e9
        self.create_timer(1.0, self._on_report_due)
        self._guard_transitions()

    # Hooks ---------------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Read the parameters and create everything; raise SleightError to refuse."""

    def start(self) -> None:
        """Begin to act."""

    def halt(self) -> None:
        """Stop acting, but keep everything."""

    def teardown(self) -> None:
        """Let go of what is not created through this class's `own`."""

    def report(self) -> tuple[bytes, str, dict[str, str]]:
        """Level, one clause and values for /diagnostics, once a second."""
        return OK, "", {}

    def callback_failed(self, error: Exception) -> None:
        """A callback raised: the subclass decides what that means for what it controls."""

    # Parameters ----------------------------------------------------------------------------------------------------

    def number(self, name: str, default: float, low: float, high: float, text: str) -> None:
        """Declare a floating-point parameter with its range."""
        bounds = [FloatingPointRange(from_value=float(low), to_value=float(high))]
        self.declare_parameter(name, float(default), ParameterDescriptor(description=text, floating_point_range=bounds))

    def integer(self, name: str, default: int, low: int, high: int, text: str) -> None:
        """Declare an integer parameter with its range."""
        bounds = [IntegerRange(from_value=low, to_value=high, step=1)]
        self.declare_parameter(name, default, ParameterDescriptor(description=text, integer_range=bounds))

    def flag(self, name: str, default: bool, text: str) -> None:
        """Declare a boolean parameter."""
        self.declare_parameter(name, default, ParameterDescriptor(description=text))

    def text(self, name: str, default: str, text: str) -> None:
        """Declare a string parameter."""
        self.declare_parameter(name, default, ParameterDescriptor(description=text))

    def numbers(self, name: str, default: Sequence[float], text: str) -> None:
        """Declare a list of floats; its length is checked where it is read."""
        descriptor = ParameterDescriptor(description=text)
        # The type of an empty list cannot be inferred from it.
        kind = rclpy.Parameter.Type.DOUBLE_ARRAY
        self.declare_parameter(name, [float(v) for v in default] if default else kind, descriptor)

    def texts(self, name: str, default: Sequence[str], text: str) -> None:
        """Declare a list of strings."""
        kind = rclpy.Parameter.Type.STRING_ARRAY
        self.declare_parameter(name, list(default) if default else kind, ParameterDescriptor(description=text))

    def value(self, name: str) -> Any:
        """Value of a declared parameter; None for a list that has neither a default nor a value."""
        try:
            return self.get_parameter(name).value
        except ParameterUninitializedException:
            return None

    def vector(self, name: str, size: int) -> list[float]:
        """Value of a list parameter.

        Raises:
            SleightError: It has another length.
        """
        values = list(self.value(name) or [])
        if len(values) != size:
            raise SleightError(f"parameter '{name}' needs {size} numbers", value=values)
        return values

    # Entities ------------------------------------------------------------------------------------------------------

    def publish_on(self, kind: type, topic: str, qos: QoSProfile) -> Any:
        """Create a publisher that lives until cleanup."""
        publisher = self.create_publisher(kind, topic, qos)
        self._owned.append(lambda: self.destroy_publisher(publisher))
        return publisher

    def listen(self, kind: type, topic: str, callback: Callable[[Any], None], qos: QoSProfile = NEWEST) -> None:
        """Create a subscription that lives until cleanup."""
        subscription = self.create_subscription(kind, topic, callback, qos)
        self._owned.append(lambda: self.destroy_subscription(subscription))

    def offer(self, kind: type, name: str, callback: Callable[[Any, Any], Any]) -> None:
        """Create a service that lives until cleanup."""
        service = self.create_service(kind, name, callback)
        self._owned.append(lambda: self.destroy_service(service))

    def every(self, period: float, callback: Callable[[], None]) -> Any:
        """Create a timer on the system's monotonic clock that lives until cleanup."""
        timer = self.create_timer(period, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._owned.append(lambda: self.destroy_timer(timer))
        return timer

    # Lifecycle -----------------------------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run `setup`; a refusal leaves the node unconfigured and says why."""
        try:
            self.setup()
        except SleightError as error:
            self._refuse(str(error))
        except Exception as error:
            self._refuse(f"{type(error).__name__}: {error}")
            self.get_logger().debug(traceback.format_exc())
        else:
            self._take_back()
            return super().on_configure(state)
        self._destroy_owned()
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run `start`."""
        try:
            self.start()
        except SleightError as error:
            self._refuse(str(error))
            return TransitionCallbackReturn.FAILURE
        self._take_back()
        self.active = True
        # What exists now stays: the collector need not walk it again in the middle of a control period.
        gc.collect()
        gc.freeze()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run `halt`."""
        self.active = False
        self.halt()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run `teardown` and destroy what was created."""
        self.teardown()
        self._destroy_owned()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop acting and let go of everything."""
        if self.active:
            self.active = False
            self.halt()
        self.teardown()
        self._destroy_owned()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured after a failed transition."""
        self.active = False
        self.teardown()
        self._destroy_owned()
        return TransitionCallbackReturn.SUCCESS

    def autostart(self) -> None:
        """Configure and activate; stop at the first refusal."""
        done = TransitionCallbackReturn.SUCCESS
        if self.trigger_configure() == done and self.trigger_activate() == done:
            self.get_logger().info("active")

    def shut_down(self) -> None:
        """Leave the active state in order, whatever the state is now."""
        with contextlib.suppress(RCLError):
            self.trigger_shutdown()
        if self.active:
            self.active = False
            self.halt()

    def _refuse(self, message: str) -> None:
        self.refusal = message
        self.get_logger().error(f"refused: {message}")
        tell_refusal(message)
        self._publish_diagnostics()

    def _take_back(self) -> None:
        self.refusal = ""
        tell_refusal("")

    def _destroy_owned(self) -> None:
        while self._owned:
            self._owned.pop()()

    def _guard_transitions(self) -> None:
        """Answer an invalid transition with "no": rclpy would raise in the executor and leave the caller waiting."""
        service = self._service_change_state
        inner = service.callback

        def change_state(request: Any, response: Any) -> Any:
            try:
                return inner(request, response)
            except RCLError as error:
                self.get_logger().warning(f"invalid transition {request.transition.id}: {str(error).splitlines()[0]}")
                response.success = False
                return response

        service.callback = change_state

    def breathe(self) -> None:
        """Say that a control step is done: what may wait is done now, and not when the next one is due."""
        self._breath = time.monotonic()
        if self._report_due:
            self._publish_diagnostics()

    def _on_report_due(self) -> None:
        self._report_due = True
        if time.monotonic() - self._breath > BREATH:
            self._publish_diagnostics()

    def _publish_diagnostics(self) -> None:
        self._report_due = False
        level, message, values = (ERROR, self.refusal, {}) if self.refusal else self.report()
        status = DiagnosticStatus(
            level=level, name=self.get_fully_qualified_name(), message=message, hardware_id="sleight"
        )
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


class Throttle:
    """Lets the same message through once in a while, and every change at once.

    Args:
        log: Where the messages go.
        seconds: How long the same message stays quiet.
    """

    def __init__(self, log: Callable[[str], Any], seconds: float = 2.0) -> None:
        self._log = log
        self._seconds = seconds
        self._last = ("", -1e9)

    def __call__(self, message: str) -> None:
        """Log a message, or not."""
        now = time.monotonic()
        if message != self._last[0] or now - self._last[1] > self._seconds:
            self._last = (message, now)
            self._log(message)


def make_executor(kind: str = "events", context: rclpy.Context | None = None) -> Executor:
    """Make an executor that runs callbacks one after the other.

    Args:
        kind: "events" for rclpy's event-driven executor, where this rclpy has it; else the classic one, which walks
            over all entities of the node for every message.
        context: Context of the nodes.
    """
    if kind == "events":
        with contextlib.suppress(ImportError):
            from rclpy.experimental import EventsExecutor

            return EventsExecutor(context=context)
    return SingleThreadedExecutor(context=context)


def ended_by_signal() -> threading.Event:
    """An event that SIGINT and SIGTERM set.

    To be used with `SignalHandlerOptions.NO`: rclpy's own handlers would invalidate the context before the node can say
    goodbye, and its event-driven executor hangs on an invalid context.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    return ended


def run(factory: Callable[[], SleightNode], arguments: list[str] | None = None) -> int:
    """Run one node in this process until it is interrupted.

    Args:
        factory: Makes the node, after rclpy is initialised.
        arguments: ROS arguments; those of the process when None.

    Returns:
        Exit status: 0 ended by a signal, 2 refused (a wrong parameter, a mixed environment).
    """
    ended = ended_by_signal()
    try:
        refuse_mixed_ros()
    except SleightError as error:
        print(error, file=sys.stderr)
        tell_refusal(str(error))
        return 2
    try:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        node = factory()
    except (
        SleightError,
        InvalidParameterException,
        InvalidParameterTypeException,
        InvalidParameterValueException,
        ParameterException,
        RCLError,
    ) as error:
        print(f"refused: {' '.join(str(error).split())}", file=sys.stderr)
        tell_refusal(str(error))
        return 2
    priority = node.value("realtime_priority")
    if priority and not request_realtime(priority):
        node.get_logger().info("real-time scheduling is not allowed here (limit 'rtprio'); going on without it")
    executor = make_executor(node.value("executor"))
    executor.add_node(node)
    complain = Throttle(node.get_logger().error)
    try:
        if node.value("autostart"):
            node.autostart()
        while rclpy.ok() and not ended.is_set():
            try:
                executor.spin_once(timeout_sec=SIGNAL_PATIENCE)
            except ExternalShutdownException:
                break
            except Exception as error:
                # One bad callback must not take the node, and with it the hold, away.
                complain(f"callback failed: {type(error).__name__}: {error}")
                node.get_logger().debug(traceback.format_exc())
                node.callback_failed(error)
    finally:
        with contextlib.suppress(Exception):
            node.shut_down()
        with contextlib.suppress(Exception):
            executor.shutdown(timeout_sec=1.0)
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
