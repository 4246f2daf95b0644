"""PointCloud2 to numpy without copying, for any field order, offset, padding and organisation, and back."""

from __future__ import annotations

import sys
from array import array

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import PointCloud2, PointField
from sleight_core.errors import SleightError

#: numpy codes of the PointField datatypes.
DATATYPES = {
    PointField.INT8: "i1",
    PointField.UINT8: "u1",
    PointField.INT16: "i2",
    PointField.UINT16: "u2",
    PointField.INT32: "i4",
    PointField.UINT32: "u4",
    PointField.FLOAT32: "f4",
    PointField.FLOAT64: "f8",
}
_FLOATS = (PointField.FLOAT32, PointField.FLOAT64)


class CloudError(SleightError):
    """A PointCloud2 whose description does not fit its data."""


def cloud_fields(msg: PointCloud2) -> np.ndarray:
    """Return all fields as a structured (height, width) view of the message's data; nothing is copied.

    Raises:
        CloudError: Fields, sizes and data contradict each other.
    """
    names = [f.name for f in msg.fields]
    if len(set(names)) != len(names):
        raise CloudError("cloud names a field twice", value=names)
    formats = []
    for f in msg.fields:
        if f.datatype not in DATATYPES:
            raise CloudError(f"cloud field '{f.name}' has an unknown datatype", value=f.datatype)
        code = (">" if msg.is_bigendian else "<") + DATATYPES[f.datatype]
        # A count of 0 is common among drivers and means 1.
        formats.append(code if f.count <= 1 else (code, (f.count,)))
        end = f.offset + np.dtype(formats[-1]).itemsize
        if end > msg.point_step:
            raise CloudError(
                f"cloud field '{f.name}' ends at byte {end} of a point", value=f"point_step {msg.point_step}"
            )
    if not names:
        raise CloudError("cloud has no fields")
    height, width = int(msg.height), int(msg.width)
    dtype = np.dtype(
        {"names": names, "formats": formats, "offsets": [f.offset for f in msg.fields], "itemsize": msg.point_step}
    )
    if height == 0 or width == 0:
        return np.zeros((height, width), dtype)
    # With one row some drivers leave row_step at 0.
    row_step = int(msg.row_step) if height > 1 or msg.row_step else width * int(msg.point_step)
    if row_step < width * msg.point_step:
        raise CloudError(
            f"cloud rows of {width} points do not fit", value=f"row_step {row_step}, point_step {msg.point_step}"
        )
    needed = (height - 1) * row_step + width * int(msg.point_step)
    if len(msg.data) < needed:
        raise CloudError(f"cloud of {width} x {height} points needs {needed} bytes", value=f"{len(msg.data)} bytes")
    return np.ndarray((height, width), dtype, buffer=msg.data, strides=(row_step, int(msg.point_step)))


def cloud_xyz(msg: PointCloud2) -> np.ndarray:
    """Return the coordinates as (N, 3), row by row, in the message's frame, m; non-finite points are kept.

    The result is a view of the message's data when x, y and z are evenly spaced, of one type and in native byte order
    and the rows have no padding between them, which is what cameras send; otherwise it is a copy.

    Raises:
        CloudError: The cloud has no float x, y and z, or its description does not fit its data.
    """
    by_name = {f.name: f for f in msg.fields}
    for axis in "xyz":
        if axis not in by_name:
            raise CloudError("cloud has no field", value=axis, remedy=f"it has {list(by_name)}")
        if by_name[axis].datatype not in _FLOATS or by_name[axis].count > 1:
            raise CloudError(
                f"cloud field '{axis}' is not one float32 or float64", value=f"datatype {by_name[axis].datatype}"
            )
    points = cloud_fields(msg)
    height, width = points.shape
    x, y, z = (by_name[axis] for axis in "xyz")
    native = bool(msg.is_bigendian) == (sys.byteorder == "big")
    even = y.offset - x.offset == z.offset - y.offset and x.datatype == y.datatype == z.datatype
    packed = height <= 1 or msg.row_step == msg.point_step * width
    if native and even and packed and points.size:
        code = DATATYPES[x.datatype]
        strides = (int(msg.point_step), y.offset - x.offset)
        return np.ndarray((height * width, 3), code, buffer=msg.data, offset=x.offset, strides=strides)
    out = np.empty(
        (height, width, 3), np.float64 if PointField.FLOAT64 in (x.datatype, y.datatype, z.datatype) else np.float32
    )
    for i, axis in enumerate("xyz"):
        out[..., i] = points[axis]
    return out.reshape(-1, 3)


def cloud_msg(points: np.ndarray, frame: str, stamp: Time) -> PointCloud2:
    """Make an unorganised cloud of float32 x, y, z.

    Args:
        points: (N, 3) m.
        frame: Frame of the points.
        stamp: Stamp of the measurement.
    """
    xyz = np.ascontiguousarray(points, dtype="<f4").reshape(-1, 3)
    # An ndarray assigned to `data` would be checked byte by byte: a thousand times slower than an array of bytes.
    data = array("B")
    data.frombytes(xyz.tobytes())
    msg = PointCloud2()
    msg.header.frame_id = frame
    msg.header.stamp = stamp
    msg.height, msg.width = 1, len(xyz)
    msg.fields = [
        PointField(name=axis, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, axis in enumerate("xyz")
    ]
    msg.is_bigendian = False
    msg.point_step = 12
    msg.row_step = 12 * len(xyz)
    msg.data = data
    msg.is_dense = bool(np.isfinite(xyz).all())
    return msg
