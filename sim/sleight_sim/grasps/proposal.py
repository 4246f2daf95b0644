"""Grasp proposals as data: where the wrist is on an object, what the joints are, and what they touch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

from sleight_sim.objects.cache import read_arrays, write_arrays
from sleight_sim.objects.datasets import DATASET_JOINTS, DatasetGrasps
from sleight_sim.objects.spec import ObjectSpec

Array = NDArray[np.float64]

#: Version of the file format.
FORMAT = 1
_ARRAYS = ("joints", "targets", "wrist_positions", "wrist_quats", "planes", "scores")
_CONTACTS = ("contact_points", "contact_normals", "contact_counts", "contact_links")


@dataclass(frozen=True)
class Contacts:
    """Where a hand touches an object, in the object frame.

    Attributes:
        points: (K, 3) m.
        normals: (K, 3) unit normals that point into the object.
        links: (K,) bodies of the hand.
    """

    points: Array
    normals: Array
    links: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.links)


NO_CONTACTS = Contacts(np.zeros((0, 3)), np.zeros((0, 3)), ())


@dataclass(frozen=True)
class GraspProposal:
    """One grasp.

    Attributes:
        object_name: Name of the object, which `resolve_objects` understands.
        hand: Name of the hand.
        wrist_position: (3,) origin of the hand's root body in the object frame (m).
        wrist_quat: (4,) its orientation there, wxyz.
        joints: Joint positions by name (rad).
        targets: What the motors are told, by joint name (rad): further closed than the joints, so that they press.
        contacts: Where the hand touches; none for grasps of datasets.
        score: From 0 (just held) to 1 (the object did not move at all when it was shaken); NaN if never simulated.
        plane: (4,) table plane, as `DatasetGrasps.planes`; NaN for a grasp in free space.
    """

    object_name: str
    hand: str
    wrist_position: Array
    wrist_quat: Array
    joints: Mapping[str, float]
    targets: Mapping[str, float]
    contacts: Contacts
    score: float
    plane: Array


@dataclass(frozen=True)
class GraspProposals:
    """The proposals of one object for one hand, as arrays.

    Attributes:
        object_name: Name of the object.
        table: The hand.
        wrist_positions: (N, 3) origin of the hand's root body in the object frame (m).
        wrist_quats: (N, 4) its orientation there, wxyz.
        joints: (N, J) in the order of `table.joint_names` (rad).
        targets: (N, A) in the order of `table.actuated_joint_names` (rad).
        scores: (N,), NaN where no simulation has judged.
        planes: (N, 4), see `GraspProposal.plane`.
        contacts: One for each.
    """

    object_name: str
    table: HandTable
    wrist_positions: Array
    wrist_quats: Array
    joints: Array
    targets: Array
    scores: Array
    planes: Array
    contacts: tuple[Contacts, ...]

    def __len__(self) -> int:
        return len(self.joints)

    def __iter__(self) -> Iterator[GraspProposal]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> GraspProposal:
        joints = self.table.joint_names
        motors = self.table.actuated_joint_names
        return GraspProposal(
            self.object_name,
            self.table.name,
            self.wrist_positions[i],
            self.wrist_quats[i],
            dict(zip(joints, self.joints[i].tolist(), strict=True)),
            dict(zip(motors, self.targets[i].tolist(), strict=True)),
            self.contacts[i],
            float(self.scores[i]),
            self.planes[i],
        )

    def select(self, keep: NDArray[Any]) -> GraspProposals:
        """Return the proposals that a mask or index array names."""
        index = np.arange(len(self))[keep]
        arrays = {name: getattr(self, name)[index] for name in _ARRAYS}
        return replace(self, **arrays, contacts=tuple(self.contacts[i] for i in index))

    def scored(self, scores: Array) -> GraspProposals:
        """Return the same proposals with other scores (N,)."""
        return replace(self, scores=scores)

    def save(self, file: Path, about: Mapping[str, Any] | None = None) -> None:
        """Write `file` (.npz, no pickle in it, with a digest) and beside it a .json that says what it is.

        Args:
            file: Name of the .npz file.
            about: More for the JSON file, e.g. how the proposals were made.

        Raises:
            SleightError: if the files cannot be written.
        """
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in _ARRAYS}
        arrays["contact_points"] = np.concatenate([c.points for c in self.contacts] or [np.zeros((0, 3))])
        arrays["contact_normals"] = np.concatenate([c.normals for c in self.contacts] or [np.zeros((0, 3))])
        arrays["contact_counts"] = np.array([len(c) for c in self.contacts], dtype=np.int64)
        bodies = {body.name: k for k, body in enumerate(self.table.bodies)}
        arrays["contact_links"] = np.array([bodies[link] for c in self.contacts for link in c.links], dtype=np.int64)
        page = {
            "format": FORMAT,
            "object": self.object_name,
            "hand": self.table.name,
            "hand_digest": self.table.digest(),
            "joints": list(self.table.joint_names),
            "motors": list(self.table.actuated_joint_names),
            "bodies": list(bodies),
            "proposals": len(self),
            **(about or {}),
        }
        try:
            write_arrays(file, arrays)
            side = file.with_suffix(".json.tmp")
            side.write_text(json.dumps(page, indent=2, allow_nan=False) + "\n", encoding="utf-8")
            side.replace(file.with_suffix(".json"))
        except OSError as error:
            raise SleightError("the proposals cannot be written", value=file, remedy=str(error.strerror)) from None

    @classmethod
    def load(cls, file: Path, table: HandTable) -> GraspProposals:
        """Read what `save` wrote.

        Raises:
            SleightError: for files that are missing or damaged, or another hand.
        """
        page = read_about(file)
        for field, wanted in (
            ("format", FORMAT),
            ("hand", table.name),
            ("hand_digest", table.digest()),
            ("joints", list(table.joint_names)),
            ("motors", list(table.actuated_joint_names)),
            ("bodies", [body.name for body in table.bodies]),
        ):
            if page.get(field) != wanted:
                raise SleightError(
                    f"these proposals have another {field.replace('_', ' ')}",
                    value=file,
                    remedy=f"make them again for the hand '{table.name}': sleight objects proposals",
                )
        arrays = read_arrays(file)
        if arrays is None or set(arrays) != {*_ARRAYS, *_CONTACTS} or not _fits(arrays, table, page):
            raise SleightError("the proposals are damaged", value=file, remedy="delete the file and make them again")
        ends = np.cumsum(arrays["contact_counts"])
        spans = [slice(int(end - n), int(end)) for end, n in zip(ends, arrays["contact_counts"], strict=True)]
        names = [body.name for body in table.bodies]
        links = [names[k] for k in arrays["contact_links"]]
        contacts = tuple(
            Contacts(arrays["contact_points"][span], arrays["contact_normals"][span], tuple(links[span]))
            for span in spans
        )
        return cls(str(page["object"]), table, **{name: arrays[name] for name in _ARRAYS}, contacts=contacts)


def read_about(file: Path) -> dict[str, Any]:
    """Return the JSON page beside a file of proposals.

    Raises:
        SleightError: if it is missing or no JSON object.
    """
    side = file.with_suffix(".json")
    try:
        page = json.loads(side.read_text(encoding="utf-8"))
    except OSError as error:
        raise SleightError("no such proposals", value=side, remedy=str(error.strerror)) from None
    except (ValueError, RecursionError):
        raise SleightError("not a page of proposals", value=side) from None
    if not isinstance(page, dict):
        raise SleightError("not a page of proposals", value=side)
    return page


def from_dataset(
    grasps: DatasetGrasps, thing: ObjectSpec, table: HandTable, shift: Array | None = None
) -> GraspProposals:
    """Make proposals of the grasps of a public dataset (Shadow Hand only).

    Args:
        grasps: Grasps of `UniDexGrasp.grasps` or `DexGraspNet.grasps`.
        thing: The object at the grasps' scale.
        table: The hand.
        shift: (3,) origin of the object in the frame of the dataset's mesh (m), zero for centred meshes.

    Returns:
        Proposals without contacts and scores. A coupled joint is put where its driver takes it, which the datasets
        ignore; the targets are the joints themselves (`verify` presses further).

    Raises:
        SleightError: for a hand that is not the datasets'.
    """
    if set(table.joint_names) != set(DATASET_JOINTS):
        raise SleightError(
            "the grasps of the datasets are for the Shadow Hand", value=table.name, remedy="use --hand shadow"
        )
    joints = grasps.joints[:, [DATASET_JOINTS.index(name) for name in table.joint_names]]
    joints = follow_couplings(np.clip(joints, table.lower, table.upper), table)
    origin = np.zeros(3) if shift is None else shift
    planes = grasps.planes.copy()
    planes[:, 3] += planes[:, :3] @ origin
    count = len(grasps)
    return GraspProposals(
        thing.name,
        table,
        grasps.wrist_positions - origin,
        grasps.wrist_quats.copy(),
        joints,
        joints[:, table.actuated_index],
        np.full(count, np.nan),
        planes,
        (NO_CONTACTS,) * count,
    )


def follow_couplings(joints: Array, table: HandTable, *, limited: bool = True) -> Array:
    """Return joints (N, J) with every coupled joint where its driver takes it (rad), inside its limits if `limited`."""
    out = joints.copy()
    for coupling in table.couplings:
        i, k = table.joint_names.index(coupling.joint), table.joint_names.index(coupling.driver)
        out[:, i] = coupling.driver_coefficient / coupling.coefficient * out[:, k]
    return np.clip(out, table.lower, table.upper) if limited else out


def _fits(arrays: Mapping[str, NDArray[Any]], table: HandTable, page: Mapping[str, Any]) -> bool:
    """Whether the arrays have the shapes and numbers that a file of proposals has."""
    n, contacts = page.get("proposals"), len(arrays["contact_links"])
    shapes = {
        "joints": (n, len(table.joint_names)),
        "targets": (n, len(table.actuated_joint_names)),
        "wrist_positions": (n, 3),
        "wrist_quats": (n, 4),
        "planes": (n, 4),
        "scores": (n,),
        "contact_points": (contacts, 3),
        "contact_normals": (contacts, 3),
        "contact_counts": (n,),
        "contact_links": (contacts,),
    }
    if any(arrays[name].shape != shape for name, shape in shapes.items()):
        return False
    counts, links = arrays["contact_counts"], arrays["contact_links"]
    if counts.dtype.kind != "i" or links.dtype.kind != "i" or not isinstance(page.get("object"), str):
        return False
    known = contacts == 0 or (links.min() >= 0 and links.max() < len(table.bodies))
    exact = ("joints", "targets", "wrist_positions", "wrist_quats", "contact_points", "contact_normals")
    finite = all(arrays[name].dtype.kind == "f" and np.isfinite(arrays[name]).all() for name in exact)
    return bool(known and finite and (counts >= 0).all() and counts.sum() == contacts)
