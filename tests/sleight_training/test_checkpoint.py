"""Checkpoints: whole or the old one, refused in one line when they do not fit; a training that is interrupted."""

from __future__ import annotations

import io

import pytest

torch = pytest.importorskip("torch")

from rich.console import Console  # noqa: E402
from sleight_core.errors import SleightError  # noqa: E402
from sleight_training.checkpoint import fitting, read_checkpoint, replaced, write_checkpoint  # noqa: E402
from sleight_training.cli.steps import training_bar  # noqa: E402


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, {"weights": torch.ones(3)})
    with pytest.raises(OSError, match="disk full"), replaced(path) as part:
        part.write_bytes(b"half of it")
        raise OSError("disk full")
    assert read_checkpoint(path)["weights"].tolist() == [1.0, 1.0, 1.0]
    write_checkpoint(path, {"weights": torch.zeros(3)})
    assert not read_checkpoint(path)["weights"].any() and list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_read_or_does_not_fit_is_refused_in_one_line(tmp_path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(SleightError, match="no checkpoint to resume from"):
        read_checkpoint(path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(SleightError, match="cannot be read"):
        read_checkpoint(path)
    with pytest.raises(SleightError, match="of another network") as refusal, fitting(path):
        torch.nn.Linear(2, 3).load_state_dict(torch.nn.Linear(2, 4).state_dict())
    assert "size mismatch" in str(refusal.value) and "\n" not in str(refusal.value)


def test_an_interrupted_training_says_how_to_go_on():
    said = io.StringIO()
    console = Console(file=said, width=200)
    with (
        pytest.raises(KeyboardInterrupt),
        training_bar(console, "a policy", 10, "sleight train base --out runs/x") as bar,
    ):
        bar.show(3, "held 10%", 1.0)
        raise KeyboardInterrupt
    assert "continue with: sleight train base --out runs/x --resume" in said.getvalue()
