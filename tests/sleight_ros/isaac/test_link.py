"""The link to an Isaac Gym process: datagrams that may be anything, and a helper for an old Python."""

import ast
import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic")

from hypothesis import given
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_ros.isaac import gym_link
from sleight_ros.isaac.datagrams import read_joints, write_targets
from sleight_ros.isaac.gym_link import GymLink

GOOD = {"sleight": 1, "session": "s", "sequence": 1, "time": 0.5, "name": ["a", "b"], "position": [0.1, -0.2]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def wire(content):
    return json.dumps(content).encode()


def test_a_datagram_is_read_as_it_was_written():
    joints = read_joints(wire(GOOD))
    assert (joints.session, joints.sequence, joints.time) == ("s", 1, 0.5)
    assert joints.names == ("a", "b") and joints.positions == (0.1, -0.2)
    assert json.loads(write_targets(["a"], [1])) == {"sleight": 1, "name": ["a"], "position": [1.0]}


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(data):
    with pytest.raises(SleightError):
        read_joints(data)


@given(st.sampled_from(sorted(GOOD)), JSON)
def test_no_content_does_more_than_be_refused(key, value):
    try:
        joints = read_joints(wire({**GOOD, key: value}))
    except SleightError as error:
        assert "\n" not in str(error)
    else:
        assert len(joints.names) == len(joints.positions) and joints.time >= 0.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sleight": 2}, "gym_link.py of this version"),
        ({"name": ["a"]}, "2"),
        ({"position": [True, 0.0]}, "'position'"),
        ({"name": ["a", 1]}, "'name'"),
        ({"name": [""] * 2}, "'name'"),
        ({"sequence": -1}, "'sequence'"),
        ({"time": float("nan")}, "'time'"),
        ({"time": -0.1}, "'time'"),
        ({"session": "x" * 200}, "'session'"),
    ],
)
def test_what_is_wrong_is_named(change, words):
    with pytest.raises(SleightError, match=words):
        read_joints(wire({**GOOD, **change}))


@pytest.fixture
def other_end():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        one.settimeout(5.0)
        yield one


def test_the_helper_sends_names_and_takes_targets_in_its_own_order(other_end):
    link = GymLink(["a", "b", "c"], other_end.getsockname())
    try:
        assert link.exchange(0.5, np.array([0.1, 0.2, 0.3], dtype=np.float32)) is None
        data, peer = other_end.recvfrom(65536)
        joints = read_joints(data)
        assert joints.names == ("a", "b", "c") and joints.positions == pytest.approx((0.1, 0.2, 0.3))
        # Another order, a joint that the simulation does not have, and one that is not commanded.
        other_end.sendto(b"nonsense", peer)
        other_end.sendto(write_targets(["x", "c", "a"], [9.0, 0.7, 0.6]), peer)
        for _ in range(100):
            targets = link.exchange(0.6, [0.1, 0.2, 0.3])
            if targets is not None:
                break
        assert targets == pytest.approx([0.6, 0.2, 0.7])
        assert read_joints(other_end.recvfrom(65536)[0]).sequence == 2
    finally:
        link.close()


def test_the_helper_goes_on_when_nobody_listens(other_end):
    address = other_end.getsockname()
    other_end.close()
    link = GymLink(["a"], address)
    assert [link.exchange(0.1 * k, [0.0]) for k in range(20)] == [None] * 20
    link.close()


def test_the_helper_refuses_what_would_mix_joints_up(other_end):
    with pytest.raises(ValueError, match="one name"):
        GymLink(["a", "a"])
    link = GymLink(["a", "b"], other_end.getsockname())
    with pytest.raises(ValueError, match="2 names, 1 positions"):
        link.exchange(0.0, [0.0])
    link.close()


def test_the_helper_is_for_python_3_6_and_needs_nothing():
    path = Path(gym_link.__file__)
    for one in (path, path.with_name("__init__.py"), path.parents[1] / "__init__.py"):
        tree = ast.parse(one.read_text(encoding="utf-8"), feature_version=(3, 6))
        modules = {
            alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        assert modules <= {"contextlib", "json", "socket", "time", "typing", "uuid"}
    # By itself, with none of our packages or site packages on the path.
    code = f"import sys; sys.path.insert(0, {str(path.parents[2])!r}); from sleight_ros.isaac.gym_link import GymLink"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=60)
