"""A system ROS on top of the wheels is refused; anything else on the same variables is not."""

from pathlib import Path

import pytest
from sleight_core import environment
from sleight_core.errors import SleightError


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / name for name in ("venv", "ros", "plain")}
    for name in ("venv", "ros"):
        (found[name] / "rclpy").mkdir(parents=True)
        (found[name] / "librcl.so").touch()
    found["plain"].mkdir()
    return found


@pytest.mark.parametrize("name", list(environment.WATCHED))
def test_a_sourced_ros_is_found(places: dict[str, Path], name: str) -> None:
    variables = {name: f"{places['venv']}::{places['ros']}"}
    assert environment.foreign_ros(variables, places["venv"]) == {name: str(places["ros"])}


def test_the_environment_itself_and_plain_folders_are_fine(places: dict[str, Path]) -> None:
    variables = {name: f"{places['venv']}" for name in environment.WATCHED}
    assert environment.foreign_ros(variables, places["venv"]) == {}
    variables = {name: f"{places['plain']}:" for name in ("PYTHONPATH", "LD_LIBRARY_PATH")}
    assert environment.foreign_ros(variables, places["venv"]) == {}
    assert environment.foreign_ros({"ROS_DISTRO": "jazzy"}, places["venv"]) == {}


def test_refusal_names_the_folder_and_the_remedy(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "has_ros_wheels", lambda: True)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(places["ros"]))
    with pytest.raises(SleightError) as caught:
        environment.refuse_mixed_ros()
    assert str(places["ros"]) in str(caught.value) and "env -u AMENT_PREFIX_PATH" in str(caught.value)


def test_a_sourced_ros_is_right_where_there_are_no_wheels(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "has_ros_wheels", lambda: False)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(places["ros"]))
    environment.refuse_mixed_ros()
