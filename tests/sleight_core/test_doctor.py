"""`sleight doctor`: a row a check, a remedy for each that fails, exit status 1 when something needed is missing."""

from pathlib import Path

import pytest
from sleight_core.cli import doctor
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
