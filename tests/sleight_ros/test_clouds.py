"""PointCloud2 of every shape that drivers send."""

from array import array

import numpy as np
import pytest

pytest.importorskip("rclpy")

from builtin_interfaces.msg import Time
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import PointCloud2, PointField
from sleight_ros.clouds import CloudError, cloud_fields, cloud_msg, cloud_xyz

CODES = {PointField.FLOAT32: "f4", PointField.FLOAT64: "f8"}


@st.composite
def clouds(draw):
    """A cloud with fields in any order, gaps before and after them, rows with padding, either byte order."""
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    big = draw(st.booleans())
    axes = draw(st.permutations(["x", "y", "z", "rgb"]))
    offset, fields, formats = 0, [], {}
    for axis in axes:
        datatype = draw(st.sampled_from(list(CODES)))
        offset += draw(st.sampled_from([0, 0, 4, 3]))
        fields.append(PointField(name=axis, offset=offset, datatype=datatype, count=draw(st.sampled_from([0, 1]))))
        formats[axis] = ((">" if big else "<") + CODES[datatype], offset)
        offset += np.dtype(CODES[datatype]).itemsize
    point_step = offset + draw(st.sampled_from([0, 4, 5]))
    row_step = point_step * width + draw(st.sampled_from([0, 7, 16]))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    raw = np.zeros(row_step * height, np.uint8)
    xyz = rng.normal(size=(height, width, 3)).astype(np.float32)
    names = list(formats)
    dtype = np.dtype(
        {
            "names": names,
            "formats": [formats[n][0] for n in names],
            "offsets": [formats[n][1] for n in names],
            "itemsize": point_step,
        }
    )
    rows = np.ndarray((height, width), dtype, buffer=raw, strides=(row_step, point_step))
    for i, axis in enumerate("xyz"):
        rows[axis] = xyz[..., i]
    msg = PointCloud2(
        height=height, width=width, fields=fields, is_bigendian=big, point_step=point_step, row_step=row_step
    )
    msg.data = array("B", raw.tobytes())
    return msg, xyz.reshape(-1, 3)


@given(clouds())
def test_every_layout_is_read(case):
    msg, xyz = case
    assert np.array_equal(cloud_xyz(msg).astype(np.float32), xyz)


@given(clouds())
def test_fields_are_views_of_the_message(case):
    msg, xyz = case
    view = cloud_fields(msg)
    before = float(view["y"][0, 0])
    view["y"][0, 0] = before + 1.0
    assert cloud_xyz(msg)[0, 1] == pytest.approx(before + 1.0, rel=1e-6)


def test_what_cameras_send_is_not_copied():
    points = np.random.default_rng(0).normal(size=(1000, 3))
    msg = cloud_msg(points, "camera_optical", Time(sec=5))
    view = cloud_xyz(msg)
    assert np.shares_memory(view, np.frombuffer(msg.data, np.uint8))
    assert np.array_equal(view, points.astype(np.float32))
    assert (msg.header.frame_id, msg.header.stamp.sec, msg.is_dense) == ("camera_optical", 5, True)
    # The usual padded layout of depth cameras: x y z, a gap, rgb.
    step = 32
    raw = np.zeros((240, 320, step // 4), np.float32)
    raw[..., :3] = 1.5
    fields = [PointField(name=n, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, n in enumerate("xyz")]
    fields.append(PointField(name="rgb", offset=16, datatype=PointField.FLOAT32, count=1))
    organised = PointCloud2(height=240, width=320, fields=fields, point_step=step, row_step=step * 320)
    organised.data = array("B", raw.tobytes())
    view = cloud_xyz(organised)
    assert view.shape == (240 * 320, 3) and np.shares_memory(view, np.frombuffer(organised.data, np.uint8))
    assert (view == 1.5).all()


def test_large_clouds_are_written_and_read_in_one_piece():
    points = np.random.default_rng(0).normal(size=(100_000, 3)).astype(np.float32)
    msg = cloud_msg(points, "f", Time())
    # The setter of `data` takes an array of bytes as it is; anything else it checks byte by byte in Python.
    assert type(msg.data) is array and msg.data.typecode == "B" and len(msg.data) == 1_200_000
    view = cloud_xyz(msg)
    assert view.base is not None and np.shares_memory(view, np.frombuffer(msg.data, np.uint8))
    assert np.array_equal(view, points)


def test_non_finite_points_are_kept_for_the_pipeline_to_judge():
    msg = cloud_msg(np.array([[0.0, 0.0, np.nan], [1.0, 2.0, 3.0]]), "f", Time())
    assert not msg.is_dense and len(cloud_xyz(msg)) == 2


def test_empty_clouds_have_no_points():
    assert cloud_xyz(cloud_msg(np.zeros((0, 3)), "f", Time())).shape == (0, 3)


def broken(**changes):
    msg = cloud_msg(np.zeros((4, 3)), "f", Time())
    for name, value in changes.items():
        setattr(msg, name, value)
    return msg


@pytest.mark.parametrize(
    "msg",
    [
        broken(width=5),
        broken(point_step=8),
        broken(height=2, row_step=10),
        broken(fields=[]),
        broken(data=array("B", b"123")),
        broken(fields=[PointField(name=n, offset=0, datatype=PointField.INT16, count=1) for n in "xyz"]),
        broken(fields=[PointField(name=n, offset=0, datatype=99, count=1) for n in "xyz"]),
        broken(fields=[PointField(name=n, offset=0, datatype=PointField.FLOAT32, count=1) for n in "xyy"]),
        broken(fields=[PointField(name=n, offset=0, datatype=PointField.FLOAT32, count=1) for n in "xy"]),
        broken(fields=[PointField(name=n, offset=0, datatype=PointField.FLOAT32, count=3) for n in "xyz"]),
    ],
)
def test_contradictions_are_refused(msg):
    with pytest.raises(CloudError):
        cloud_xyz(msg)
