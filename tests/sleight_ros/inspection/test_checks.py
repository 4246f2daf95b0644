"""The checks behind `sleight doctor` that need ROS: each finds what is wrong, and says what to do."""

import os
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("onnx")

from sleight_core.errors import SleightError
from sleight_ros.checks import cameras, dds, ports, realtime, robot
from sleight_ros.checks.__main__ import CHECKS, run
from sleight_ros.checks.parameters import node_parameters
from sleight_ros.profiles import profile_names, profile_path

from ..bundles import tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    tiny_bundle(folder)
    return folder


def profile(folder, text):
    path = folder / "profile.yaml"
    path.write_text(text)
    return path


def statuses(rows):
    return {row.name: row.status for row in rows}


def test_profiles_are_read_as_ros_reads_them(tmp_path):
    text = "/**:\n  ros__parameters: {hand: leap, bridge: {a: {adapter: leap}}}\n"
    text += "/**/hand_bridge:\n  ros__parameters: {margin: 0.02, workspace_lower: [0.0, 1.0]}\n"
    found = node_parameters(profile(tmp_path, text), "hand_bridge")
    assert found == {**found, "hand": "leap", "bridge.a.adapter": "leap", "margin": 0.02, "workspace_lower": [0.0, 1.0]}
    assert "margin" not in node_parameters(tmp_path / "profile.yaml", "policy_node")
    with pytest.raises(SleightError, match="cannot be read"):
        node_parameters(profile(tmp_path, "a: [1"), "hand_bridge")


def test_the_shipped_bundle_fits_the_shipped_profile():
    shipped = Path(__file__).resolve().parents[3] / "policies" / "shadow_base"
    rows = run("robot", "shadow_sim", str(shipped))
    assert not any(row.status == "fail" for row in rows), rows


@pytest.mark.parametrize(
    ("text", "name", "status", "words"),
    [
        ("/**:\n  ros__parameters: {hand: leap}\n", "bundle tiny", "fail", "leap"),
        ("/**:\n  ros__parameters: {control_period: 0.05}\n", "bundle tiny", "fail", "control.period"),
        ("/**/policy_node:\n  ros__parameters: {hand: leap}\n", "profile", "fail", "different 'hand'"),
        ("/**/hand_bridge:\n  ros__parameters: {margin: 0.1}\n", "joint margin", "warn", "0.1 rad"),
        ("/**/hand_bridge:\n  ros__parameters: {velocity_scale: 0.5}\n", "speed limits", "warn", "velocity_scale 0.5"),
        ("/**/hand_bridge:\n  ros__parameters: {watch_object: false}\n", "object", "warn", "does not hold"),
    ],
)
def test_a_bundle_is_held_against_the_profile(tmp_path, bundle, text, name, status, words):
    rows = robot.check(bundle, profile(tmp_path, text))
    (row,) = [row for row in rows if row.name == name and words in row.detail]
    assert row.status == status and row.remedy


def test_a_missing_bundle_is_a_finding(tmp_path):
    (row,) = robot.check(tmp_path / "nothing", profile_path("shadow_sim"))
    assert row.status == "fail" and row.remedy


def test_a_port_that_is_not_there_names_those_that_are(tmp_path):
    (tmp_path / "serial" / "by-id").mkdir(parents=True)
    (tmp_path / "serial" / "by-id" / "usb-FTDI_1").write_text("")
    (row,) = ports.look(tmp_path / "ttyUSB0", tmp_path, tmp_path)
    assert row.status == "fail" and "usb-FTDI_1" in row.detail and "port" in row.remedy
    (row,) = ports.look(tmp_path / "ttyUSB0", tmp_path, tmp_path / "serial" / "by-id")
    assert "no serial adapter" in row.detail


def test_a_port_is_judged_by_permission_and_latency(tmp_path, monkeypatch):
    port, device = tmp_path / "by-name", tmp_path / "ttyUSB3"
    device.write_text("")
    port.symlink_to(device)
    (tmp_path / "system" / "ttyUSB3").mkdir(parents=True)
    timer = tmp_path / "system" / "ttyUSB3" / "latency_timer"
    timer.write_text("16\n")
    rows = ports.look(port, tmp_path / "system")
    assert statuses(rows) == {"serial port": "ok", "serial latency": "warn"} and str(timer) in rows[1].remedy
    timer.write_text("1\n")
    assert statuses(ports.look(port, tmp_path / "system"))["serial latency"] == "ok"
    monkeypatch.setattr(os, "access", lambda *_: False)
    row = ports.look(port, tmp_path / "nowhere")[0]
    assert row.status == "fail" and "dialout" in row.remedy


def test_only_a_leap_hand_needs_a_port(tmp_path):
    assert statuses(ports.check(profile_path("shadow_sim"))) == {"serial port": "ok"}
    text = "/**:\n  ros__parameters: {hand: leap}\n/**/leap_driver:\n  ros__parameters: {port: /dev/no_such_port}\n"
    (row,) = ports.check(profile(tmp_path, text))
    assert row.status == "fail" and "/dev/no_such_port" in row.detail


def test_cameras_are_those_of_the_profile():
    found = cameras.profile_cameras(node_parameters(profile_path("shadow_sim"), "perception_node"))
    assert [camera.topic for camera in found] == [f"camera/{name}/points" for name in ("front", "left", "right")]
    assert all(len(camera.pose) == 7 for camera in found)


def test_clouds_are_judged_by_rate_and_frame():
    def camera(**changes):
        made = cameras.Camera("a", "camera/a/points", "a_optical", [0.0] * 7)
        for name, value in changes.items():
            setattr(made, name, value)
        return cameras.clouds(made)

    assert camera().status == "warn" and "nobody publishes" in camera().detail
    assert camera(publishers=1).status == "fail"
    good = {"publishers": 1, "frames": {"a_optical"}}
    assert camera(**good, times=[0.0, 0.1, 0.2]).detail.startswith("10.0 Hz")
    assert camera(**good, times=[0.0, 1.0]).status == "warn"
    assert camera(publishers=1, frames={"b"}, times=[0.0, 0.1]).status == "fail"


def test_settings_of_dds(monkeypatch):
    monkeypatch.delenv("ROS_LOCALHOST_ONLY", raising=False)
    for domain, reach, status in (
        ("7", "SUBNET", "ok"),
        ("0", "SUBNET", "warn"),
        ("0", "LOCALHOST", "ok"),
        ("7", "OFF", "fail"),
    ):
        monkeypatch.setenv("ROS_DOMAIN_ID", domain)
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", reach)
        assert dds._settings().status == status
    monkeypatch.setenv("ROS_LOCALHOST_ONLY", "1")
    assert dds._settings().status == "warn"


def test_shared_memory_that_runs_out(monkeypatch):
    monkeypatch.setattr(dds, "ROOM", 1 << 62)
    assert dds._shared_memory().status == "warn"


def test_real_time_and_governor(tmp_path, monkeypatch):
    monkeypatch.setattr(realtime, "request_realtime", lambda priority: False)
    row = realtime._priority()
    assert row.status == "warn" and "limits.d" in row.remedy
    assert realtime._governor(tmp_path).status == "ok"
    (tmp_path / "cpu0" / "cpufreq").mkdir(parents=True)
    file = tmp_path / "cpu0" / "cpufreq" / "scaling_governor"
    for words, status in (("powersave", "warn"), ("performance", "ok")):
        file.write_text(words + "\n")
        assert realtime._governor(tmp_path).status == status


def test_unknown_checks_and_profiles_are_refused():
    with pytest.raises(SleightError, match="no such check"):
        run("weather")
    with pytest.raises(SleightError, match="no such profile"):
        run("cameras", "nonsense")
    assert set(CHECKS) == {"dds", "realtime", "cameras", "ports", "robot"} and profile_names()


@pytest.mark.graph
def test_a_round_trip_between_two_processes():
    row = dds._round_trip()
    assert row.status == "ok" and "two processes" in row.detail


@pytest.mark.graph
def test_clouds_that_arrive_are_counted(tmp_path):
    """The double's camera publishes some 15 clouds a second."""
    from ..double import Double

    pose = "[0.5, 0.0, 0.75, 0.5, -0.5, -0.5, 0.5]"
    text = f"/**:\n  ros__parameters: {{cameras: [side, lost], camera: {{side: {{pose: {pose}, frame: camera}}}}}}\n"
    with Double(clouds=True) as robot:
        end = time.monotonic() + 60
        while True:
            rows = {row.name: row for row in cameras.check(profile(tmp_path, text))}
            if "nobody publishes" not in rows["camera side: clouds"].detail or time.monotonic() > end:
                break
        assert robot.node
    assert "nobody publishes" in rows["camera lost: clouds"].detail and rows["camera lost: pose"].status == "fail"
    found = rows["camera side: clouds"]
    assert found.status == "fail" and "in frame side_optical instead of camera" in found.detail
