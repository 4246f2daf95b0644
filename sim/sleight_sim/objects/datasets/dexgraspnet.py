"""DexGraspNet: unit meshes, and one file of grasps in free space (or, on its table branch, on a table) an object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sleight_core.errors import SleightError

from sleight_sim.objects.datasets.grasps import DatasetGrasps, known_scale, stack
from sleight_sim.objects.datasets.tree import Pair, checked_code, first_folder, load_pairs, mesh_object
from sleight_sim.objects.datasets.unpickle import load_array
from sleight_sim.objects.spec import ObjectSpec

#: Scale of an object that has no grasp file to say its scales.
DEFAULT_SCALE = 0.08


class DexGraspNet:
    """A folder of DexGraspNet: `meshdata/<code>/coacd/decomposed.obj`, and grasps in `dataset/<code>.npy`.

    Args:
        root: The folder that holds `meshdata`, or the one above it (`data`).

    Raises:
        SleightError: if there are no meshes in it.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        meshes = first_folder(folder / "meshdata" for folder in (self.root, self.root / "data"))
        if meshes is None:
            raise SleightError(
                "not a DexGraspNet folder", value=self.root, remedy="needs meshdata/<code>/coacd/decomposed.obj"
            )
        self.meshes = meshes
        base = meshes.parent
        self.grasp_folder = first_folder([base / "dataset", base / "experiments" / "demo" / "results"])

    def codes(self) -> list[str]:
        """Return the codes of all objects whose meshes are there, e.g. core-mug-8570d9."""
        return [file.parent.parent.name for file in sorted(self.meshes.glob("*/coacd/decomposed.obj"))]

    def pairs(self) -> list[Pair]:
        """Return every object at each scale for which it has grasps (at `DEFAULT_SCALE` if it has no grasp file).

        Raises:
            SleightError: for a damaged grasp file.
        """
        found = []
        for code in self.codes():
            scales = sorted({scale for scale, _, _ in self._rows(code)}) if self._grasp_file(code) else [DEFAULT_SCALE]
            found += [(code, scale) for scale in scales]
        return found

    def objects(self, count: int | None = None) -> list[ObjectSpec]:
        """Return the objects, at most `count`; those that cannot be used are left out, with a warning.

        Raises:
            SleightError: if none can be used.
        """
        pairs = self.pairs()
        return load_pairs(pairs if count is None else pairs[:count], self.object, lambda _: True, self.root)

    def object(self, code: str, scale: float) -> ObjectSpec:
        """Return one object at a scale (m per unit).

        Raises:
            SleightError: for a missing or refused mesh.
        """
        file = self.meshes / checked_code(code, self.root) / "coacd" / "decomposed.obj"
        return mesh_object(file, known_scale(scale, self.root), "dexgraspnet", (code, scale))

    def grasps(self, code: str, scale: float) -> DatasetGrasps:
        """Return the grasps of an object at a scale; their planes are NaN unless the file has tables.

        Raises:
            SleightError: for a file that is missing, damaged, or not of grasps.
        """
        file = self._grasp_file(checked_code(code, self.root))
        if file is None:
            raise SleightError("no grasps of this object", value=f"{code} in {self.root}")
        wanted = known_scale(scale, self.root)
        return stack([(qpos, plane) for at, qpos, plane in self._rows(code) if at == wanted], wanted, file)

    def _grasp_file(self, code: str) -> Path | None:
        file = None if self.grasp_folder is None else self.grasp_folder / f"{code}.npy"
        return file if file is not None and file.is_file() else None

    def _rows(self, code: str) -> list[tuple[float, Any, Any]]:
        file = self._grasp_file(code)
        content = [] if file is None else load_array(file)
        where = file or self.root
        if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
            raise SleightError("not a file of grasps", value=where)
        if any("qpos" not in row or "scale" not in row for row in content):
            raise SleightError("a grasp without joint positions or scale", value=where)
        return [(known_scale(row["scale"], where), row["qpos"], row.get("plane")) for row in content]
