"""Pickled arrays are read as data; whatever asks for more is refused before anything runs."""

import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_sim.objects.datasets.unpickle import load_archive, load_array

GRASP = {"qpos": {"robot0:FFJ3": 0.25, "WRJTx": -1.5e-3}, "scale": 0.06, "plane": [0.0, 0.0, 1.0, 0.03]}


def npy(body: bytes, shape: str = "(1,)", descr: str = "|O", version: tuple[int, int] = (1, 0)) -> bytes:
    """An .npy file with any body."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode("latin1")
    size = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + size + header + body


def refused(tmp_path: Path, body: bytes, shape: str = "(1,)") -> str:
    file = tmp_path / "evil.npy"
    file.write_bytes(npy(body, shape))
    with pytest.raises(SleightError) as error:
        load_array(file)
    return str(error.value)


class Evil:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def in_array(thing: Any, protocol: int = 4) -> bytes:
    """The pickle of an object array that holds `thing`."""
    array = np.empty(1, dtype=object)
    array[0] = thing
    return pickle.dumps(array, protocol=protocol)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_numpy_writes_is_read(tmp_path: Path, protocol: int) -> None:
    rows = np.empty(3, dtype=object)
    rows[:] = [GRASP, {**GRASP, "scale": np.float32(0.5), "plane": np.arange(4.0)}, {"name": "x", "n": np.int64(7)}]
    file = tmp_path / "a.npy"
    file.write_bytes(npy(pickle.dumps(rows, protocol=protocol), "(3,)"))
    found = load_array(file)
    assert found[0] == GRASP
    assert found[1]["scale"] == 0.5
    np.testing.assert_array_equal(found[1]["plane"], np.arange(4.0))
    assert found[2] == {"name": "x", "n": 7}


def test_files_of_savez_and_save_are_read(tmp_path: Path) -> None:
    plane = np.array([0, 0, 1, 0.04], dtype=np.float32)
    np.savez(tmp_path / "a.npz", qpos=np.array(GRASP["qpos"], dtype=object), scale=np.float32(10.0), plane=plane)
    found = load_archive(tmp_path / "a.npz")
    assert found["qpos"] == GRASP["qpos"]
    assert found["scale"] == np.float32(10.0) and found["scale"].shape == ()
    np.testing.assert_array_equal(found["plane"], plane)
    grid = np.empty((2, 3), dtype=object)
    grid[:] = [[1, "b", None], [2.5, [1], {"c": 2}]]
    np.save(tmp_path / "b.npy", grid, allow_pickle=True)
    assert load_array(tmp_path / "b.npy") == [[1, "b", None], [2.5, [1], {"c": 2}]]
    for numbers in (np.arange(6).reshape(2, 3), np.asfortranarray(np.ones((2, 3))), np.zeros((0, 3)), np.array(["a"])):
        np.save(tmp_path / "c.npy", numbers)
        np.testing.assert_array_equal(load_array(tmp_path / "c.npy"), numbers)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_calls_are_refused_and_not_made(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    calls = [
        Evil(os.system, f"touch {trace}"),
        Evil(eval, f"open({str(trace)!r}, 'w')"),
        Evil(exec, "import os"),
        Evil(getattr, "x", "upper"),
        Evil(open, str(trace), "w"),
        Evil(np.load, str(trace)),
        Evil(np.fromfile, "/etc/passwd"),
    ]
    for call in calls:
        message = refused(tmp_path, in_array(call, protocol))
        assert "refused" in message and "run code" in message
        assert "refused" in refused(tmp_path, pickle.dumps(call, protocol=protocol))
    assert not trace.exists()


def test_every_other_name_and_opcode_is_refused(tmp_path: Path) -> None:
    bodies = [
        b"cos\nsystem\n(S'true'\ntR.",  # protocol 0 call
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I1000000000\ntS'O'\ntR.",  # a huge array
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntS'b'\ntR.",
        b"cnumpy.core.multiarray\nscalar\n(S'O8'\nS'x'\ntR.",
        b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(dS'get'\ncnumpy\nndarray\nsb.",  # attributes of a type
        b"cnumpy.core.multiarray\nscalar\n(dS'__defaults__'\nNsb.",  # attributes of a function
        b"cnumpy\ndtype\n(S'V16'\nI0\nI1\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"ios\nsystem\n(S'true'\n.",
        b"(S'true'\nios\nsystem\n.",
        b"Pid\n.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02cbuiltins\nobject\n)\x81.",
        b"\x80\x02}r\xff\xff\xff\x7f.",  # a memo number of 2^31 makes the reader allocate that many entries
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",  # bytes of an impossible length
        b"",
        b".",
        b"N.",
        b"(lp0\nI1\na.",
    ]
    for body in bodies:
        assert refused(tmp_path, body)


def test_small_files_that_unfold_without_end_are_harmless(tmp_path: Path) -> None:
    laughs: Any = ["ha"]
    for _ in range(30):
        laughs = [laughs] * 10
    file = tmp_path / "laughs.npy"
    file.write_bytes(npy(in_array(laughs)))
    assert len(load_array(file)[0]) == 10
    endless: list[Any] = []
    endless.append(endless)
    file.write_bytes(npy(in_array(endless)))
    assert load_array(file)[0] == [None]
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert "nested too deeply" in refused(tmp_path, in_array(deep))


def test_wrong_headers_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    good = pickle.dumps(np.empty(1, dtype=object))
    contents = [
        b"",
        b"\x93NUMPY",
        npy(b"", "(2,)", "<f8"),
        npy(b"\0" * 8, "(10**20,)", "<f8"),
        npy(b"\0" * 8, f"({10**20},)", "<f8"),
        npy(b"\0" * 8, "(-1,)", "<f8"),
        npy(b"\0" * 16, "(1,)", "|V16"),
        npy(good, "(2,)"),
        npy(good, "(1,)", "<M8[s]"),
        npy(b"\0" * 8, "__import__('os').getpid()", "<f8"),
        npy(good, version=(9, 9)),
    ]
    for content in contents:
        file.write_bytes(content)
        with pytest.raises(SleightError):
            load_array(file)
    for content in (npy(b"", "(0,)", "<U0"), npy(b"", f"(0, {10**20})", "<f8")):  # nothing in them, however it is said
        file.write_bytes(content)
        try:
            assert load_array(file).size == 0
        except SleightError:
            continue
    for name in ("missing.npy", "missing.npz", "\0"):
        with pytest.raises(SleightError):
            (load_archive if name.endswith("z") else load_array)(tmp_path / name)
    file.write_bytes(b"PK\x05\x06 not an archive")
    with pytest.raises(SleightError, match="damaged"):
        load_archive(file)


_VALID = io.BytesIO()
np.save(_VALID, np.array([GRASP, {"a": np.arange(3.0), "b": np.float32(1)}], dtype=object), allow_pickle=True)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(_VALID.getvalue()) - 1), junk=st.binary(min_size=1, max_size=6), cut=st.booleans())
@example(place=487, junk=b"U\x00", cut=False)  # an array that never gets its content
def test_damaged_bytes_never_give_a_traceback(tmp_path: Path, place: int, junk: bytes, cut: bool) -> None:
    content = _VALID.getvalue()
    file = tmp_path / "fuzz.npy"
    file.write_bytes(content[:place] + junk + (b"" if cut else content[place + len(junk) :]))
    try:
        load_array(file)
    except SleightError as error:
        assert str(error)
