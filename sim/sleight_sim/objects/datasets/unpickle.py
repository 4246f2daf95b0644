"""Pickled numpy arrays without the pickle machine's powers.

Grasp datasets store dictionaries inside numpy object arrays, that is, pickles. A pickle can name any function to be
called. Here the names that numpy itself writes for arrays, scalars and types stand for small readers of our own,
every other name is a refusal, and the opcodes are looked through before anything is built.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError

#: Largest file (bytes, also after unpacking) and most opcodes of a pickle: a DexGraspNet file has about 10^5.
MAX_BYTES = 200_000_000
MAX_OPCODES = 20_000_000

_CORES = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERICS = ("numpy.core.numeric", "numpy._core.numeric")
_FORBIDDEN = {"PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "NEXT_BUFFER"}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}


def load_array(file: Path) -> Any:
    """Read an .npy file that may hold pickled dictionaries; return plain Python values and numeric arrays.

    Args:
        file: The file.

    Returns:
        A numeric array as it is; an object array as a list (nested for more than one dimension), or, without
        dimensions, as the object itself.

    Raises:
        SleightError: for a file that is missing, damaged, huge, or asks for anything but data.
    """
    return _parse(_content(file), file)


def load_archive(file: Path) -> dict[str, Any]:
    """Read an .npz file of such arrays; see `load_array`.

    Raises:
        SleightError: as `load_array`.
    """
    content = _content(file)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise SleightError("the dataset file is huge", value=file)
            packed = {member.filename.removesuffix(".npy"): archive.read(member) for member in members}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _damaged(file, error) from None
    return {name: _parse(data, file) for name, data in packed.items()}


def _content(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise SleightError("the dataset file is huge", value=file)
        return file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise SleightError("the dataset file cannot be read", value=f"{file}: {reason}") from None


def _damaged(file: Path, error: Exception | str) -> SleightError:
    reason = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return SleightError("the dataset file is damaged", value=f"{file}: {reason}", remedy="download it again")


def _parse(content: bytes, file: Path) -> Any:
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError(f"version {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except Exception as error:  # the header is evaluated as a literal, which fails in many ways
        raise _damaged(file, error) from None
    size = int(np.prod(shape, dtype=object))
    body = content[stream.tell() :]
    if not dtype.hasobject:
        if dtype.kind not in "biufSU" or size * dtype.itemsize != len(body):
            raise _damaged(file, f"{len(body)} bytes for {size} values of type {dtype}")
        try:
            return np.frombuffer(body, dtype, size).reshape(shape, order="F" if fortran else "C").copy()
        except ValueError as error:
            raise _damaged(file, error) from None
    if dtype != np.dtype(object):
        raise _damaged(file, f"values of type {dtype}")
    values = _plain(_unpickled(body, file), file)
    return _unwrapped(values, shape, file)


def _unwrapped(values: Any, shape: tuple[int, ...], file: Path) -> Any:
    """Return the pickled array's content: numpy pickles the object array itself, whose elements are in a list."""
    if not isinstance(values, _Objects) or values.shape != shape:
        raise _damaged(file, "an object array that holds something else")
    return values.nested()


class _Refused(Exception):
    """The pickle asks for more than data."""


def _unpickled(body: bytes, file: Path) -> Any:
    try:
        _look_through(body)
        return _Reader(io.BytesIO(body), encoding="latin1").load()
    except _Refused as refusal:
        raise SleightError(
            "the dataset file asks to run code and is refused",
            value=f"{file}: {refusal}",
            remedy="only numbers, texts, lists, dictionaries and numpy arrays are read; get the file from its makers",
        ) from None
    except RecursionError:
        raise _damaged(file, "nested too deeply") from None
    except Exception as error:  # damaged pickles raise anything
        raise _damaged(file, error) from None


def _look_through(body: bytes) -> None:
    """Refuse opcodes that build objects, and memo numbers that make the reader allocate more than the file's size."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(body), start=1):
        if opcode.name in _FORBIDDEN:
            raise _Refused(opcode.name)
        if count > MAX_OPCODES:
            raise ValueError("too many opcodes")
        if opcode.name in _PUTS and not 0 <= int(argument or 0) <= count:
            raise ValueError("a memo number out of order")


class _Reader(pickle.Unpickler):
    """Knows the names that numpy writes, and no other."""

    def find_class(self, module: str, name: str) -> Any:
        if module in _CORES and name == "_reconstruct":
            return _Call(_reconstruct)
        if module in _CORES and name == "scalar":
            return _Call(_scalar)
        if module in _NUMERICS and name == "_frombuffer":  # how protocol 5 writes arrays
            return _Call(_frombuffer)
        if (module, name) == ("numpy", "ndarray"):
            return _NDARRAY
        if (module, name) == ("numpy", "dtype"):
            return _Call(_Type)
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in protocols that have only text
            return _Call(_encode)
        raise _Refused(f"{module}.{name}")


class _Call:
    """One of our readers, out of reach of the opcode that sets attributes."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, _: Any) -> None:
        raise _Refused("a function's attributes")


_NDARRAY = "ndarray"


def _encode(text: Any, coding: Any = "") -> bytes:
    if not isinstance(text, str) or coding != "latin1":
        raise _Refused("_codecs.encode of something else")
    return text.encode("latin1")


class _Type:
    """Stands for a numpy type."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        kind = code.decode("latin1") if isinstance(code, bytes) else code
        if not isinstance(kind, str) or len(kind) > 8 or kind[:1] not in "OUSbiuf" or not kind[1:].isdigit():
            raise _Refused(f"numpy.dtype({kind!r})")
        self._code, self._order = kind, "="

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "=") or state[4]:
            raise _Refused("a numpy type of fields")
        self._order = state[1]

    def get(self) -> np.dtype[Any]:
        return np.dtype(object if self._code[0] == "O" else self._order + self._code)


def _scalar(kind: Any, data: Any = b"") -> Any:
    dtype = kind.get() if isinstance(kind, _Type) else None
    if dtype is None or dtype.hasobject or not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise _Refused("numpy.scalar of something else")
    return np.frombuffer(data, dtype, 1)[0].item()


class _Objects:
    """Stands for a numpy array until its state has been read."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.items: list[Any] = []
        self.values: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise _Refused("an array's state of another form")
        _, shape, kind, fortran, data = state
        if not isinstance(kind, _Type) or not isinstance(shape, tuple) or len(shape) > 8:
            raise _Refused("an array's state of another form")
        if not all(isinstance(n, int) and 0 <= n <= MAX_BYTES for n in shape):
            raise ValueError("an array's shape")
        dtype, size = kind.get(), int(np.prod(shape, dtype=object))
        self.shape = shape
        if dtype.hasobject:
            if not isinstance(data, list) or len(data) != size or fortran:
                raise ValueError("an object array of another length")
            self.items = data
        else:
            if not isinstance(data, bytes) or len(data) != size * dtype.itemsize:
                raise ValueError("an array of another length")
            self.values = np.frombuffer(data, dtype, size).reshape(shape, order="F" if fortran else "C").copy()

    def nested(self) -> Any:
        """Return the elements as nested lists, or the single element of an array without dimensions."""
        level: list[Any] = self.items
        for n in reversed(self.shape[1:]):
            level = [level[i : i + n] for i in range(0, len(level), n)] if n else []
        return level if self.shape else level[0]


def _reconstruct(kind: Any, shape: Any = None, code: Any = None) -> _Objects:
    if kind != _NDARRAY or shape != (0,):
        raise _Refused("numpy's _reconstruct of something else")
    return _Objects()


def _frombuffer(data: Any, kind: Any = None, shape: Any = None, order: Any = None) -> _Objects:
    if not isinstance(data, bytes | bytearray) or order not in ("C", "F"):
        raise _Refused("numpy's _frombuffer of something else")
    array = _Objects()
    array.__setstate__((1, shape, kind, order == "F", bytes(data)))
    return array


def _plain(value: Any, file: Path) -> Any:
    """Replace the stand-ins inside lists and dictionaries by what they hold; top-level object arrays stay."""
    # Once each: a list that names another ten times, and so on, is small in the file and endless when written out.
    done: dict[int, Any] = {}

    def walk(one: Any, depth: int) -> Any:
        if isinstance(one, str | bytes | bool | int | float) or one is None:
            return one
        if id(one) not in done:
            if depth > 50:
                raise _damaged(file, "nested too deeply")
            done[id(one)] = None  # what contains itself ends here
            done[id(one)] = opened(one, depth)
        return done[id(one)]

    def opened(one: Any, depth: int) -> Any:
        if isinstance(one, dict):
            return {key: walk(item, depth + 1) for key, item in one.items() if isinstance(key, str | int)}
        if isinstance(one, list | tuple | set | frozenset):
            return [walk(item, depth + 1) for item in one]
        if isinstance(one, _Objects):
            if one.values is not None:
                return one.values
            if not one.shape and len(one.items) != 1:
                raise _damaged(file, "an array without its content")
            one.items = [walk(item, depth + 1) for item in one.items]
            return one if depth == 0 else one.nested()
        raise _damaged(file, f"a value of type {type(one).__name__}")

    return walk(value, 0)
