"""Forward kinematics of a URDF as yourdfpy read it, for many postures at once (its own is a posture at a time)."""

import numpy as np
import yourdfpy


def link_poses(urdf: yourdfpy.URDF, link: str, postures: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pose of a link in the root link: positions (B, 3) and matrices (B, 3, 3), for joint positions (B,) by name."""
    parents = {joint.child: joint for joint in urdf.joint_map.values()}
    chain = []
    while link in parents:
        chain.insert(0, parents[link])
        link = parents[link].parent
    count = len(next(iter(postures.values())))
    pos, turn = np.zeros((count, 3)), np.tile(np.eye(3), (count, 1, 1))
    for joint in chain:
        origin = np.eye(4) if joint.origin is None else joint.origin
        pos = pos + turn @ origin[:3, 3]
        turn = turn @ origin[:3, :3]
        if joint.type == "revolute":
            turn = turn @ about(np.asarray(joint.axis, dtype=float), postures[joint.name])
    return pos, turn


def about(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (B, 3, 3) about an axis (3,) by angles (B,), after Rodrigues."""
    x, y, z = axis / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = angle[:, None, None]
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)


def load(path, text: str) -> yourdfpy.URDF:
    """Read URDF text through a file."""
    path.write_text(text)
    return yourdfpy.URDF.load(str(path), build_scene_graph=True, load_meshes=False)
