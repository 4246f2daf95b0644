"""`sleight doctor`: a row a check, a remedy for each that fails, exit status 1 when something needed is missing."""

import json
from pathlib import Path

import pytest
from sleight_core.cli import doctor
from sleight_core.errors import SleightError
from typer.testing import CliRunner


def test_a_missing_module_is_a_finding_with_its_remedy() -> None:
    found = doctor.check_module("no_such_module_at_all", "install it")
    assert not found.good and "no_such_module_at_all" in found.detail and found.remedy == "install it"


def test_a_process_that_dies_or_hangs_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not doctor.check_code("crash", "import os; os.abort()", "mend it").good
    monkeypatch.setattr(doctor, "TIMEOUT", 0.5)
    assert "no answer" in doctor.check_code("hang", "import time; time.sleep(60)", "mend it").detail


def test_missing_libraries_name_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LIBRARIES", {"libnone-such.so.9": "none-such"})
    found = doctor.check_libraries()
    assert not found.good and "apt-get install none-such" in found.remedy


def test_no_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policies").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not doctor.check_bundles().good


def test_a_broken_bundle_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policies" / "torn").mkdir(parents=True)
    (tmp_path / "policies" / "torn" / "manifest.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    found = doctor.check_bundles()
    assert not found.good and found.detail.startswith("torn: sleight: ")


@pytest.mark.parametrize(("needed", "status"), [(True, 1), (False, 0)])
def test_exit_status(monkeypatch: pytest.MonkeyPatch, needed: bool, status: int) -> None:
    rows = [doctor.Finding("a [b]", True, "there"), doctor.Finding("c", False, "gone", "fetch [it]", needed)]
    monkeypatch.setattr(doctor, "all_checks", lambda: [lambda row=row: row for row in rows])
    result = CliRunner().invoke(doctor.app, [])
    assert result.exit_code == status
    assert "a [b]" in result.output and "fetch [it]" in result.output


def test_json_has_a_row_a_check_with_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [doctor.Finding("a", True, "there", "no"), doctor.Finding("c", False, "gone", "fetch it", needed=False)]
    monkeypatch.setattr(doctor, "all_checks", lambda: [lambda: rows])
    result = CliRunner().invoke(doctor.app, ["--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [
        {"name": "a", "status": "ok", "detail": "there", "remedy": ""},
        {"name": "c", "status": "warn", "detail": "gone", "remedy": "fetch it"},
    ]


def test_a_profile_adds_its_checks_and_a_bundle_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def check(name: str, *arguments: str) -> list[doctor.Finding]:
        asked.append((name, *arguments))
        return [doctor.Finding(name, name != "robot", "seen", "mend it")]

    monkeypatch.setattr(doctor, "all_checks", list)
    monkeypatch.setattr(doctor, "check_with_ros", check)
    result = CliRunner().invoke(doctor.app, ["--profile", "p", "--bundle", "b"])
    assert result.exit_code == 1 and "mend it" in result.output
    assert sorted(asked) == [
        ("cameras", "--profile", "p"),
        ("ports", "--profile", "p"),
        ("robot", "--profile", "p", "--bundle", "b"),
    ]
    assert isinstance(CliRunner().invoke(doctor.app, ["--bundle", "b"]).exception, SleightError)


def test_a_check_that_cannot_run_is_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = doctor.check_with_ros("cameras", "--profile", "no such profile")
    assert not found.good and "no such profile" in found.detail
    monkeypatch.setattr(doctor, "TIMEOUT", 0.0)
    (found,) = doctor.check_with_ros("dds")
    assert found.status == "fail" and "no answer" in found.detail
