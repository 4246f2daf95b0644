"""A recording loses little: not by a full disk, not by a kill, not by a broken file."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("rosbags")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_ros.profiles import profile_names, profile_path
from sleight_ros.recording.__main__ import parse
from sleight_ros.recording.reader import read_recording
from sleight_ros.recording.topics import DEFAULT_TOPICS, REPLAYED, profile_topics
from sleight_ros.recording.writer import BAG_NAME, BagWriter, RecordingStoppedError, Room, recorded_bags
from std_msgs.msg import String

from .builders import ROOM, on_the_wire

KIND = "std_msgs/msg/String"


def words(number):
    return on_the_wire(KIND, String(data=f"word {number}"))


def heard(path):
    """The words in a recording, in order."""
    tracks = read_recording(path, ["talk"]).tracks
    if not tracks:
        return []
    track = tracks["/talk"]
    return [track[i].data for i in range(len(track))]


def talk(writer, begin, end):
    for i in range(begin, end):
        writer.write("/talk", KIND, i * 1000, words(i))


def test_what_is_written_is_read_and_stamps_never_run_backward(tmp_path):
    writer = BagWriter(tmp_path, "bag", ROOM)
    for i, stamp in enumerate([5, 9, 7, 12]):
        writer.write("/talk", KIND, stamp, words(i))
    writer.close()
    track = read_recording(tmp_path / "bag", ["talk"]).tracks["/talk"]
    assert track.times.tolist() == [5, 9, 9, 12] and heard(tmp_path / "bag") == [f"word {i}" for i in range(4)]
    assert [track.newest(time) for time in (4, 5, 10, 99)] == [-1, 0, 2, 3]


def test_bags_are_named_by_the_time_split_and_the_oldest_removed(tmp_path, monkeypatch):
    room = Room(split_after=1e-9, keep=1, min_free=0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "2020-01-01T00-00-00").mkdir()
    writer = BagWriter(tmp_path, room=room)
    for i in range(3):
        talk(writer, i, i + 1)
        assert writer.bag is not None and BAG_NAME.fullmatch(writer.bag.name)
        writer.flush()
    # Only folders that hold a bag of ours are removed, and the newest closed one when the next begins.
    assert len(recorded_bags(tmp_path)) == 1 and heard(recorded_bags(tmp_path)[0]) == ["word 2"]
    assert (tmp_path / "mine").is_dir() and (tmp_path / "2020-01-01T00-00-00").is_dir()


def test_a_type_without_a_definition_is_left_out_and_named(tmp_path):
    writer = BagWriter(tmp_path, "bag", ROOM)
    writer.write("/odd", "odd_msgs/msg/Odd", 1, b"\0\1\0\0")
    talk(writer, 0, 2)
    writer.close()
    assert writer.unknown == {"odd_msgs/msg/Odd"} and heard(tmp_path / "bag") == ["word 0", "word 1"]


def test_what_was_flushed_survives_a_kill(tmp_path):
    writer = BagWriter(tmp_path, "bag", ROOM)
    talk(writer, 0, 5)
    writer.flush()
    writer.flush()
    talk(writer, 5, 9)
    # Not closed: as a killed process leaves it, without index and metadata.
    recording = read_recording(tmp_path / "bag", ["talk"])
    assert heard(tmp_path / "bag") == [f"word {i}" for i in range(5)] and "cut off" in recording.cut


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    writer = BagWriter(folder, "bag", ROOM)
    for i in range(0, 40, 10):
        talk(writer, i, i + 10)
        writer.flush()
    writer.close()
    return (folder / "bag" / "bag.mcap").read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 0.999))
def test_a_file_cut_anywhere_gives_its_first_messages_or_one_line(tmp_path, whole, share):
    file = tmp_path / "cut.mcap"
    file.write_bytes(whole[: int(share * len(whole))])
    try:
        found = heard(file)
    except SleightError as error:
        assert "\n" not in str(error)
        return
    assert found == [f"word {i}" for i in range(len(found))]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0.0, 0.999), value=st.integers(0, 255))
def test_a_flipped_byte_never_ends_in_anything_but_a_refusal(tmp_path, whole, place, value):
    data = bytearray(whole)
    data[int(place * len(data))] = value
    file = tmp_path / "flipped.mcap"
    file.write_bytes(data)
    try:
        heard(file)
    except SleightError as error:
        assert "\n" not in str(error)


def test_folders_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SleightError, match="cannot be written"):
        BagWriter(tmp_path / "file" / "bags")
    (tmp_path / "bag").mkdir()
    with pytest.raises(SleightError, match="already"):
        BagWriter(tmp_path, "bag")


def test_a_disk_that_gets_full_ends_the_recording_in_one_line_and_keeps_the_bag(tmp_path):
    writer = BagWriter(tmp_path, "bag", Room(min_free=1 << 62))
    talk(writer, 0, 3)
    with pytest.raises(RecordingStoppedError, match="nearly full"):
        writer.flush()
    assert heard(tmp_path / "bag") == ["word 0", "word 1", "word 2"]


FULL = """
import resource, sys
from pathlib import Path
from sleight_ros.recording.writer import BagWriter, Room, RecordingStoppedError
from tests.sleight_ros.inspection.test_recording import talk
writer = BagWriter(Path(sys.argv[1]), "bag", Room(min_free=0))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    for i in range(0, 10_000, 50):
        talk(writer, i, i + 50)
        writer.flush()
except RecordingStoppedError as error:
    print(error)
"""


def test_a_write_that_fails_keeps_what_was_there_before(tmp_path):
    root = Path(__file__).resolve().parents[3]
    result = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], cwd=root, capture_output=True, text=True, check=True, timeout=120
    )
    assert "recording stopped: File too large" in result.stdout and not result.stderr
    found = heard(tmp_path / "bag")
    assert len(found) > 50 and found == [f"word {i}" for i in range(len(found))]


def test_several_recordings_in_a_folder_are_not_guessed(tmp_path):
    for name in ("a", "b"):
        writer = BagWriter(tmp_path, name, ROOM)
        talk(writer, 0, 1)
        writer.close()
    with pytest.raises(SleightError, match="2 recordings.*newest"):
        read_recording(tmp_path, ["talk"])
    assert heard(tmp_path / "a") == ["word 0"]


@pytest.mark.parametrize("name", profile_names())
def test_profiles_name_their_topics(name):
    found = profile_topics(profile_path(name))
    assert all(isinstance(topic, str) and "{" not in topic for topic in found)
    if name == "leap_ur5e":
        assert {"ur5e/joint_states", "scaled_joint_trajectory_controller/joint_trajectory"} <= set(found)


def test_a_profile_that_is_no_yaml_is_refused(tmp_path):
    (tmp_path / "p.yaml").write_text("a: [1")
    with pytest.raises(SleightError, match="cannot be read"):
        profile_topics(tmp_path / "p.yaml")


def test_the_command_line(tmp_path):
    options = parse([str(tmp_path), "--topics", "a", "camera/*/points", "--cloud-period", "0"])
    assert options.topics == ["a", "camera/*/points"] and options.cloud_period == 0.0 and options.split == 600.0
    for wrong in ([], ["x", "--split", "-1"], ["x", "--keep", "nan"], ["x", "--nonsense"]):
        with pytest.raises(SleightError):
            parse(wrong)
    assert set(REPLAYED) <= set(DEFAULT_TOPICS)
