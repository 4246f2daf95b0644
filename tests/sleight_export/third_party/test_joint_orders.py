"""Zero joint-order confusion: names and orders are permuted at every interface that an import touches.

The policies here let action element i follow the angle that they take for joint i. So in whatever order they come,
moving one joint must ask for a motion of this joint and no other, or the import must refuse.
"""

import itertools
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sleight_core.action import ActionSpec
from sleight_core.bundle import PolicySession
from sleight_core.errors import IncompleteError, SleightError
from sleight_core.hand.orders import permutation
from sleight_core.observation import ObservationBuilder
from sleight_description import load_hand
from sleight_export.third_party.description import PolicyDescription
from sleight_export.third_party.graph import adapt, read_graph
from sleight_export.third_party.importer import import_policy
from sleight_export.third_party.joints import named_joints
from sleight_export.third_party.mapping import map_description
from sleight_export.third_party.states import random_states

from .builders import description, foreign, save, write

HAND = load_hand("leap")
JOINTS = HAND.actuated_joint_names
ORDERS = sorted(HAND.joint_orders)
#: First elements of the public policy's slices over joints.
ANGLES, ERRORS, OUTPUTS = 0, 16, 41


def following(first: int, sees: tuple[str, ...], acts: tuple[str, ...], gain: float = 1.0) -> np.ndarray:
    """Weights with which the action for a joint, in order `acts`, follows its element of a slice in order `sees`."""
    weights = np.zeros((57, 16))
    for i, name in enumerate(acts):
        weights[first + sees.index(name), i] = gain
    return weights


def names_of(order) -> tuple[str, ...]:
    return HAND.joint_order(order).ours if isinstance(order, str) else tuple(order)


def described(sees, acts) -> dict:
    content = description()
    for i in (0, 1, 4):
        content["observation"][i]["joint_order"] = sees if isinstance(sees, str) else list(sees)
    # The policy's own last output is in the order of its action.
    content["observation"][4]["joint_order"] = acts if isinstance(acts, str) else list(acts)
    content["action"][0]["joint_order"] = acts if isinstance(acts, str) else list(acts)
    return content


def asks_for(bundle, field: str, joint: str) -> dict[str, float]:
    """How far each target moves, rad, when one joint's value of one vector changes."""
    build = ObservationBuilder(HAND, bundle.manifest.observation)
    action = ActionSpec(HAND, bundle.manifest.action)
    session = PolicySession(bundle)
    middle = 0.5 * (HAND.actuated_lower + HAND.actuated_upper)
    targets = []
    for change in (0.0, 0.1):
        state = random_states(HAND, np.array([1.0, 0, 0, 0]), 1)
        values = getattr(state, field)
        values[:] = 0.0
        if field == "joint_pos":
            state.joint_targets = np.zeros((1, 16))
        values[0, JOINTS.index(joint)] = change
        out = session.act(build.compute(state)[0]).action
        targets.append(action.decode(out[None].astype(float), np.zeros(1), middle[None]).joint_targets[0])
    return dict(zip(JOINTS, targets[1] - targets[0], strict=True))


def moves_only(motion: dict[str, float], joint: str) -> bool:
    return abs(motion[joint]) > 1e-3 and all(abs(value) < 1e-6 for name, value in motion.items() if name != joint)


@pytest.mark.parametrize(("sees", "acts"), list(itertools.product(ORDERS, ORDERS)))
def test_the_right_joint_moves_in_every_public_order(tmp_path, sees, acts):
    model = foreign(following(ANGLES, names_of(sees), names_of(acts)))
    bundle = import_policy(save(tmp_path, model), write(tmp_path, described(sees, acts)), tmp_path / "bundle")
    assert bundle.manifest.action[0].joint_names == names_of(acts)
    for joint in ("if_mcp", "if_rot", "mf_rot", "rf_dip", "th_cmc", "th_ipl"):
        assert moves_only(asks_for(bundle, "joint_pos", joint), joint), (sees, acts, joint)


@pytest.mark.parametrize(
    ("field", "first", "sign"), [("joint_targets", ERRORS, -1), ("last_output", OUTPUTS, 1), ("joint_pos", ERRORS, 1)]
)
@pytest.mark.parametrize("order", ["motor", "isaac_lab"])
def test_targets_and_the_last_output_come_by_name_too(tmp_path, field, first, sign, order):
    names = names_of(order)
    model = foreign(following(first, names, names))
    bundle = import_policy(save(tmp_path, model), write(tmp_path, described(order, order)), tmp_path / "bundle")
    for joint in JOINTS:
        motion = asks_for(bundle, field, joint)
        assert moves_only(motion, joint) and np.sign(motion[joint]) == sign


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sees=st.permutations(JOINTS), acts=st.permutations(JOINTS), joint=st.sampled_from(JOINTS))
def test_any_order_written_out_by_name_moves_the_right_joint(tmp_path_factory, sees, acts, joint):
    """Without a bundle on the disk, so that many orders can be tried."""
    folder = tmp_path_factory.mktemp("orders")
    told = PolicyDescription.model_validate(described(sees, acts))
    graph = read_graph(save(folder, foreign(following(ANGLES, tuple(sees), tuple(acts)))), "obs", "continuous_actions")
    mapping = map_description(HAND, told, graph)
    assert not mapping.problems
    from sleight_core.bundle.policy import make_session

    session = make_session(adapt(graph, mapping.columns), "policy")
    obs = np.zeros((1, 57), np.float32)
    obs[0, ANGLES + HAND.joint_names.index(joint)] = 0.1
    action = np.asarray(session.run(["action"], {"obs": obs})[0]).astype(float)
    middle = 0.5 * (HAND.actuated_lower + HAND.actuated_upper)[None]
    spec = ActionSpec(HAND, mapping.parts)
    moved = spec.decode(action, np.zeros(1), middle).joint_targets - middle
    assert [JOINTS[i] for i in np.flatnonzero(np.abs(moved[0]) > 1e-6)] == [joint]


def test_a_wrong_order_does_move_another_joint(tmp_path):
    """What the names prevent: the same file, with the order that a user most easily takes for it."""
    model = foreign(following(ANGLES, names_of("motor"), names_of("motor")))
    bundle = import_policy(save(tmp_path, model), write(tmp_path, described("menagerie", "motor")), tmp_path / "bundle")
    assert not moves_only(asks_for(bundle, "joint_pos", "if_mcp"), "if_mcp")


WRONG = [
    (JOINTS[:-1], "lacks .'th_ipl'", "16. are 16, joint_order names 15 joints"),
    ((*JOINTS[:-1], "if_mcp"), "lacks .'th_ipl'", "names twice .'if_mcp'"),
    ((*JOINTS, "if_mcp"), "names twice .'if_mcp'", "names twice .'if_mcp'"),
    ((*JOINTS[:-1], "th_dip"), "lacks .'th_ipl'", "unknown joints .'th_dip'"),
    (tuple(map(str, range(16))), "lacks", "unknown joints"),
    (load_hand("shadow").actuated_joint_names, "lacks", "unknown joints"),
    ("leap", "no joint order: leap", "no joint order: leap"),
    ("isaac", "no joint order", "no joint order"),
]


@pytest.mark.parametrize(("names", "seen", "done"), WRONG)
def test_names_that_are_not_this_hands_are_refused(tmp_path, names, seen, done):
    content = description()
    for where in ("observation", "action"):
        content[where][0]["joint_order"] = names if isinstance(names, str) else list(names)
    with pytest.raises(IncompleteError) as caught:
        import_policy(save(tmp_path, foreign()), write(tmp_path, content), tmp_path / "bundle")
    first, second = caught.value.problems
    assert first.startswith("observation.0.") and re.search(seen, first)
    assert second.startswith("action.0.") and re.search(done, second)
    assert not (tmp_path / "bundle").exists()


def test_a_joint_that_no_part_or_two_parts_own_is_refused(tmp_path):
    content = description()
    halves = [{**content["action"][0], "name": name} for name in ("first", "second")]
    for row, elements, names in zip(halves, ([0, 8], [8, 16]), (JOINTS[:8], JOINTS[7:15]), strict=True):
        row.update(elements=elements, joint_order=list(names))
    content["action"] = halves
    with pytest.raises(IncompleteError, match="every joint with a motor once, not so: .'th_ipl'"):
        import_policy(save(tmp_path, foreign()), write(tmp_path, content), tmp_path / "bundle")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(order=st.permutations(JOINTS), lost=st.sampled_from(JOINTS))
def test_an_order_is_a_permutation_or_refused(order, lost):
    assert named_joints(HAND, tuple(order), JOINTS) == tuple(order)
    for wrong in ([n for n in order if n != lost], [*order, lost], [n if n != lost else "other" for n in order]):
        with pytest.raises(SleightError):
            named_joints(HAND, tuple(wrong), JOINTS)


def test_every_pair_of_public_orders_is_told_apart():
    """An order that passes for another would be silent confusion."""
    for first, second in itertools.combinations(ORDERS, 2):
        moved = permutation(HAND.joint_order(first), HAND.joint_order(second))
        same = {first, second} == {"urdf", "menagerie"}
        assert (moved == np.arange(16)).all() == same, (first, second)
