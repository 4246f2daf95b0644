"""The `sleight` command: what is wrong with the input is one line on stderr and exit status 2."""

import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

# The package's name `main` is the function, so the module comes from the import system.
cli = importlib.import_module("sleight_core.cli.main")

APP = '''"""Does one thing.

More text.
"""
import typer
from sleight_core.errors import SleightError
app = typer.Typer(add_completion=False)

@app.command()
def go(count: int = 1, fail: str = "", status: int = 0) -> None:
    """Go."""
    if fail == "refuse":
        raise SleightError("the file is\\ntorn", value="x.yaml", remedy="mend it")
    if fail == "interrupt":
        raise KeyboardInterrupt
    if fail == "open":
        open("/nonexistent/file")
    if fail == "import":
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    print("went", count)
    raise typer.Exit(status)

@app.command()
def stay() -> None:
    """Stay."""
'''


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Registers the commands of files in the folder returned: each file `fake_X.py` is the command X."""
    (tmp_path / "fake_walk.py").write_text(APP)
    (tmp_path / "fake_torn.py").write_text(
        '"""Needs torch."""\nraise ModuleNotFoundError("no", name="rsl_rl.runners")\n'
    )
    (tmp_path / "fake_library.py").write_text('"""Needs a library."""\nraise ImportError("libx.so: cannot open")\n')
    (tmp_path / "fake_empty.py").write_text('"""Has no app."""\n')
    names = ["walk", "torn", "library", "empty", "absent"]
    points = {name: EntryPoint(name, f"fake_{name}:app", cli.GROUP) for name in names}
    monkeypatch.setattr(cli, "commands", lambda: points)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in names:
        sys.modules.pop(f"fake_{name}", None)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    out, err = capsys.readouterr()
    code = caught.value.code
    return (code if isinstance(code, int) else 0), out, err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err.startswith("sleight: ") and err.count("\n") == 1, err
    return err


def test_help_lists_every_command_without_importing_it(commands: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--help")
    assert (code, err) == (0, "")
    for line in ("walk     Does one thing.", "torn     Needs torch.", "absent   (not installed)"):
        assert line in out
    assert "fake_walk" not in sys.modules


def test_no_arguments_shows_the_help_and_exits_2(commands: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys)
    assert code == 2 and "walk" in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version")[:2] == (0, "sleight 0.1.0\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["fly"], "no such command: fly"),
        (["walkk"], "did you mean 'walk'?"),
        (["--wat"], "no such option: --wat"),
        (["walk", "run"], "see 'sleight walk --help'"),
        (["walk", "go", "--wat"], "see 'sleight walk go --help'"),
        (["walk", "go", "--count", "many"], "Invalid value for '--count'"),
        (["walk", "go", "--fail", "refuse"], "the file is torn: x.yaml (mend it)"),
        (["walk", "go", "--fail", "open"], "No such file or directory: /nonexistent/file"),
        (["walk", "go", "--fail", "import"], "make setup EXTRAS=train"),
        (["torn"], "'rsl_rl' is not installed"),
        (["library"], "libx.so: cannot open ('sleight doctor' says what is missing)"),
        (["empty"], "registered but not there"),
        (["absent"], "not installed: absent"),
    ],
)
def test_refusals(commands: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str) -> None:
    assert expected in refused(capsys, *arguments)


def test_exit_statuses_pass_through(commands: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "walk", "go", "--count", "3")[:2] == (0, "went 3\n")
    assert run(capsys, "walk", "go", "--status", "1")[0] == 1
    assert run(capsys, "walk", "go", "--fail", "interrupt")[0] == 130
    assert run(capsys, "walk", "go", "--help")[0] == 0


def test_a_developer_can_ask_for_the_traceback(
    commands: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLEIGHT_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError):
        cli.main(["walk", "go", "--fail", "open"])


def test_registered_commands_are_those_of_the_project() -> None:
    assert set(cli.commands()) >= {"bench", "bundle", "demo", "doctor", "eval", "export", "objects", "train"}
