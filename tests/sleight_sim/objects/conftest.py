"""Where sample data of the public datasets is, and a cache that no test shares with another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

#: `SLEIGHT_DATA`, or the folder beside the repository in a development checkout.
DATA = Path(os.environ.get("SLEIGHT_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")


@pytest.fixture
def unidexgrasp_sample() -> Path:
    """The UniDexGrasp tree with one object and the official split lists."""
    folder = DATA / "unidexgrasp_sample"
    if not folder.is_dir():
        pytest.skip("sample data is not beside the repository; SLEIGHT_DATA names its folder")
    return folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder
