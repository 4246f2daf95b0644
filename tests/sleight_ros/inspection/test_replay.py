"""A replay is exact where nothing changed, and names what did."""

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("rosbags")
pytest.importorskip("onnx")

from rosbags.rosbag2 import StoragePlugin, Writer
from sleight_core.action import ActionPart, ActionSpec
from sleight_core.errors import SleightError
from sleight_ros.cli.replay import app
from sleight_ros.policy_step import PolicyStep
from sleight_ros.recording.typestore import sleight_typestore
from sleight_ros.replay.compare import Comparison, replay
from sleight_ros.replay.ticks import Session
from typer.testing import CliRunner

from ..bundles import tiny_bundle
from .builders import HAND, Story, mixed_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


def run(bag, bundle, **options):
    return replay(Session(bag), PolicyStep(bundle, HAND), bundle.id, **{"tolerance": 1e-6, **options})


def command(*arguments):
    """As from the command line, where a refusal is one line and status 2."""
    code = "import sys; from sleight_core.cli import main as m; from sleight_ros.cli.replay import app; "
    code += "import sleight_core.cli.main; main = sys.modules['sleight_core.cli.main']; "
    code += "main._load = lambda point: app; main.commands = lambda: {'replay': None}; m()"
    return subprocess.run(
        [sys.executable, "-c", code, "replay", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_every_tick_of_two_engagements_comes_out_the_same(tmp_path, bundle):
    story = Story(bundle).run(20)
    story.release()
    story.farewell()
    outcome = run(story.run(15).write(tmp_path), bundle)
    assert outcome.ticks == 35 and outcome.comparison.equal and not outcome.skipped and not outcome.doubted
    assert outcome.comparison.parts == ["observation", "network", "action", "command"]
    assert outcome.comparison.worst("observation") == 0.0


@pytest.mark.parametrize("seed", range(2))
def test_a_recorder_that_hears_in_another_order_changes_nothing(tmp_path, bundle, seed):
    story = Story(bundle, seed=seed, delay=25.0).run(10)
    story.release()
    outcome = run(story.run(6).write(tmp_path), bundle)
    assert outcome.ticks == 16 and outcome.comparison.equal, outcome.comparison.differences()
    assert outcome.doubted


def test_ticks_near_a_message_that_the_recorder_lost_are_left_out(tmp_path, bundle):
    story = Story(bundle).run(20)
    wrists = [row for row in story.told if row[1] == "/wrist/odometry"]
    story.told.remove(wrists[12])
    outcome = run(story.write(tmp_path), bundle)
    assert outcome.comparison.equal and outcome.ticks == 19
    assert outcome.skipped == {"near a message on wrist/odometry that the recorder lost": 1}


def test_an_engagement_on_top_of_another_begins_a_new_heading(tmp_path, bundle):
    story = Story(bundle).run(5)
    outcome = run(story.run(5).write(tmp_path), bundle)
    assert outcome.ticks == 10 and outcome.comparison.equal


def test_a_lost_object_leaves_the_last_good_estimate(tmp_path, bundle):
    story = Story(bundle).run(3)
    story.see(reason=8)
    for _ in range(3):
        story.move()
        story.tick()
    assert run(story.write(tmp_path), bundle).comparison.equal


@pytest.mark.parametrize("kind", ["moe_residual", "masked_dual_residual"])
def test_experts_weights_and_residuals_are_compared(tmp_path, kind):
    bundle = mixed_bundle(tmp_path / "bundle", kind=kind)
    outcome = run(Story(bundle).run(10).write(tmp_path), bundle)
    assert outcome.comparison.equal and "residual" in outcome.comparison.parts
    assert ("expert_weights" in outcome.comparison.parts) == (kind == "moe_residual")


def test_steps_on_targets_know_what_was_sent_before(tmp_path):
    names = HAND.actuated_joint_names
    wrist = ActionSpec.absolute(HAND).parts[0]
    lower, upper = (tuple(getattr(HAND.joint(name), end) for name in names) for end in ("lower", "upper"))
    steps = ActionPart(
        name="steps", rule="delta_target", joint_names=names, lower=lower, upper=upper, scale=(0.1,) * len(names)
    )
    bundle = mixed_bundle(tmp_path / "bundle", spec=ActionSpec(HAND, [wrist, steps]))
    outcome = run(Story(bundle).run(12).write(tmp_path), bundle)
    assert outcome.ticks == 12 and outcome.comparison.equal, outcome.comparison.differences()


def test_another_bundle_is_compared_and_named(tmp_path, bundle):
    other = tiny_bundle(tmp_path / "other", bias=np.eye(24)[10] * 0.5)
    outcome = run(Story(bundle).run(5).write(tmp_path), other)
    assert not outcome.same_bundle and not outcome.comparison.equal
    assert any(bundle.id in note for note in outcome.notes)
    label = other.manifest.action_labels[10]
    assert [row.element for row in outcome.comparison.differences("action")] == [label]
    assert [row.element for row in outcome.comparison.differences("command")] == [label.split(".")[1]]
    assert not outcome.comparison.differences("observation")


def test_a_changed_term_is_named_by_its_element(tmp_path, bundle):
    story = Story(bundle).run(5)
    story.move()
    place = bundle.manifest.observation_labels.index("object_pos[2]")

    def alter(fields):
        fields["observation"][place] += 0.01

    story.tick(alter=alter)
    outcome = run(story.write(tmp_path), bundle, tolerance=1e-3)
    (row,) = outcome.comparison.differences("observation")
    assert (row.element, row.ticks, row.sequence) == ("object_pos[2]", 1, 6)
    assert row.recorded - row.replayed == pytest.approx(0.01, abs=1e-6)


def test_another_goal_is_seen_and_can_be_given(tmp_path, bundle):
    story = Story(bundle)
    story.inputs.goal = np.array([0.1, 0.0, 0.8])
    bag = story.run(4).write(tmp_path)
    rows = run(bag, bundle).comparison.differences("observation", 9)
    assert rows and {row.element for row in rows} <= {"goal_offset[0]", "goal_offset[1]"}
    assert run(bag, bundle, goal=(0.1, 0.0, 0.8)).comparison.equal


def test_ticks_from_before_the_recording_are_counted_and_left_out(tmp_path, bundle):
    story = Story(bundle)
    story.inputs.engage(0.0)
    story.run(4, engage=False)
    outcome = run(story.run(3).write(tmp_path), bundle)
    assert outcome.ticks == 3 and outcome.skipped == {"engaged before the recording began": 4}


def test_a_namespace_is_found_or_chosen(tmp_path, bundle):
    left, right = Story(bundle, prefix="/left").run(3), Story(bundle, prefix="/right").run(4)
    assert run(left.write(tmp_path / "one"), bundle).ticks == 3
    left.told += right.told
    bag = left.write(tmp_path / "two")
    with pytest.raises(SleightError, match="--namespace"):
        Session(bag)
    for name in ("right", "/right"):
        session = Session(bag, name)
        assert replay(session, PolicyStep(bundle, HAND), bundle.id, tolerance=1e-6).ticks == 4


def test_an_sqlite_bag_is_read_as_well(tmp_path, bundle):
    story = Story(bundle).run(4)
    store, connections = sleight_typestore(), {}
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        for stamp, topic, kind, data in story.told:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], stamp, data)
    assert run(tmp_path / "bag", bundle).comparison.equal


def test_the_command_line(tmp_path, bundle):
    bag, out = Story(bundle).run(4).write(tmp_path), tmp_path / "out.json"
    arguments = [str(bag), "--bundle", str(bundle.path), "--json", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert found["equal"] and found["ticks"] == 4 and found["same_bundle"]
    other = tiny_bundle(tmp_path / "other", bias=np.full(24, 0.2))
    result = CliRunner().invoke(app, [str(bag), "--bundle", str(other.path), "--json", str(out)])
    assert result.exit_code == 1 and "DIFFERS" in result.output and "hand_joints.FFJ3" in out.read_text()
    worst = json.loads(out.read_text())["differences"]
    assert {row["part"] for row in worst} == {"network", "action", "command"}


@pytest.mark.parametrize(
    ("without", "words"),
    [
        (["joint_states"], "joint_states"),
        (["policy/telemetry"], "no policy"),
        (["policy/command", "wrist/odometry"], "wrist/odometry, policy/command"),
        (["object/estimate"], "object/estimate"),
        (["fingertip_wrenches"], "fingertip_wrenches"),
        (["bridge/sent"], "bridge/sent"),
    ],
)
def test_missing_topics_are_named(tmp_path, bundle, without, words):
    bag = Story(bundle).run(3).write(tmp_path, without=without)
    with pytest.raises(SleightError, match=words):
        run(bag, bundle)


def test_the_recording_of_another_hand_is_refused(tmp_path, bundle, monkeypatch):
    story = Story(bundle)
    session = Session(story.run(3).write(tmp_path))
    step = PolicyStep(bundle, HAND)
    monkeypatch.setattr(type(session), "joint_names", property(lambda _: ["joint_0", "joint_1"]))
    with pytest.raises(SleightError, match="another hand than 'shadow'.*FFJ1"):
        replay(session, step, bundle.id, tolerance=1e-6)


def test_wrong_use_is_one_line_and_status_2(tmp_path, bundle):
    (tmp_path / "torn.mcap").write_bytes(b"\x89MCAP0\r\n" + bytes(200))
    (tmp_path / "text.txt").write_text("no bag")
    (tmp_path / "empty").mkdir()
    bag = Story(bundle).run(3).write(tmp_path)
    for arguments, words in (
        (["nowhere", "--bundle", bundle.path], "no such recording"),
        ([tmp_path / "torn.mcap", "--bundle", bundle.path], "cannot be read"),
        ([tmp_path / "text.txt", "--bundle", bundle.path], "no recording"),
        ([tmp_path / "empty", "--bundle", bundle.path], "no recording in this folder"),
        ([bag, "--bundle", tmp_path / "empty"], "manifest"),
        ([bag, "--bundle", bundle.path, "--json", tmp_path / "text.txt" / "x.json"], "cannot be written"),
    ):
        result = CliRunner().invoke(app, [*map(str, arguments)])
        assert isinstance(result.exception, SleightError) and words in str(result.exception), result.exception
    result = command("nowhere", "--bundle", bundle.path)
    assert result.returncode == 2 and result.stderr == "sleight: no such recording: nowhere\n", result.stderr


def test_a_bag_that_was_cut_off_is_replayed_as_far_as_it_goes(tmp_path, bundle):
    bag = Story(bundle).run(20).write(tmp_path)
    file = next(bag.glob("*.mcap"))
    # A single chunk would be lost as a whole: this is the whole data and no index.
    data = file.read_bytes()
    (bag / "metadata.yaml").unlink()
    file.write_bytes(data[: data.rindex(b"\x0f\x04\x00\x00\x00\x00\x00\x00\x00")])
    outcome = run(bag, bundle)
    assert outcome.ticks == 20 and outcome.comparison.equal and "cut off" in outcome.notes[0]


def test_nan_in_one_of_two_is_a_difference():
    comparison = Comparison(1e-4)
    comparison.add("action", ["a", "b", "c"], [1.0, np.nan, np.nan], [1.0, np.nan, 2.0])
    assert [row.element for row in comparison.differences()] == ["c"] and not comparison.equal
