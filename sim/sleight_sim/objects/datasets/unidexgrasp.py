"""The asset tree of UniDexGrasp as ResDex uses it: meshes, split lists, tabletop grasps, clouds, object codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from sleight_core.errors import SleightError

from sleight_sim.objects.datasets.grasps import DatasetGrasps, known_scale, stack
from sleight_sim.objects.datasets.tree import Pair, checked_code, first_folder, load_pairs, mesh_object
from sleight_sim.objects.datasets.unpickle import load_archive, load_array
from sleight_sim.objects.scaled import SCALES
from sleight_sim.objects.spec import ObjectSpec

Array = NDArray[np.float64]

#: Where each split's list is, relative to the root, and how many (object, scale) pairs the official one has.
SPLIT_FILES = {
    "train": ("dexgrasp/cfg/train_set.yaml", "cfg/train_set.yaml", "train_set.yaml"),
    "unseen_object": ("dexgrasp/test_set_seen_cat.yaml", "test_set_seen_cat.yaml"),
    "unseen_category": ("dexgrasp/test_set_unseen_cat.yaml", "test_set_unseen_cat.yaml"),
}
OFFICIAL_COUNTS = {"train": 3200, "unseen_object": 141, "unseen_category": 100}
_ALIASES = {"seen_cat": "unseen_object", "unseen_cat": "unseen_category"}
#: Grasps whose table holds the object's origin higher (m) are not used, as in ResDex.
MAX_PLANE_HEIGHT = 0.05
MAX_LIST_BYTES = 5_000_000


def read_split_list(file: Path) -> list[Pair]:
    """Read a YAML list of objects: `object_code_list:` with `code: [scale, ...]`, as a list or as a mapping.

    Returns:
        (code, scale) pairs in the file's order. A pair named twice stays twice: the official list of unseen categories
        has 100 rows and 78 pairs, and the paper's figure is over the rows.

    Raises:
        SleightError: for a file that is missing or not such a list.
    """
    try:
        if file.stat().st_size > MAX_LIST_BYTES:
            raise SleightError("the list of objects is huge", value=file)
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SleightError("the list of objects cannot be read", value=f"{file}: {reason}") from None
    listed = content.get("object_code_list", content) if isinstance(content, dict) else content
    entries = [listed] if isinstance(listed, dict) else listed
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise SleightError(
            "not a list of objects", value=file, remedy="object_code_list: with lines such as '- core/mug-1a2b: [0.08]'"
        )
    pairs: list[Pair] = []
    for entry in entries:
        for code, scales in entry.items():
            for scale in scales if isinstance(scales, list) else [scales]:
                pairs.append((checked_code(code, file), known_scale(scale, file)))
    return pairs


class UniDexGrasp:
    """A UniDexGrasp / ResDex tree.

    Args:
        root: The folder that holds `assets` (and `dexgrasp`, for the split lists), or `assets` itself.

    Raises:
        SleightError: if there are no meshes in it.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        places = [self.root / "assets", self.root]
        meshes = first_folder(place / "meshdatav3_scaled" for place in places)
        if meshes is None:
            raise SleightError(
                "not a UniDexGrasp tree", value=self.root, remedy="needs assets/meshdatav3_scaled/<code>/coacd"
            )
        self.assets = meshes.parent

    def codes(self) -> list[str]:
        """Return the codes of all objects whose meshes are there, e.g. core/bottle-70172e."""
        folders = sorted((self.assets / "meshdatav3_scaled").glob("*/*/coacd"))
        return [f"{folder.parent.parent.name}/{folder.parent.name}" for folder in folders]

    def split_file(self, split: str) -> Path:
        """Return the file of a split's list: by the split's name, or any other file by its path.

        Raises:
            SleightError: for a split that is neither.
        """
        known = _ALIASES.get(split, split)
        bases = [self.root, self.assets.parent, self.assets]
        found = [base / name for base in bases for name in SPLIT_FILES.get(known, ()) if (base / name).is_file()]
        if found:
            return found[0]
        if known in SPLIT_FILES:
            raise SleightError(
                f"the tree has no list for the split '{known}'",
                value=self.root,
                remedy=f"put the official list at {SPLIT_FILES[known][0]}",
            )
        file = Path(split)
        if file.suffix not in (".yaml", ".yml") or not file.is_file():
            raise SleightError(
                "no such split", value=split, remedy=f"choose one of {', '.join(SPLIT_FILES)}, or a .yaml list"
            )
        return file

    def pairs(self, split: str | None = None) -> list[Pair]:
        """Return the (code, scale) pairs of a split, or, without one, all for which there is a scaled mesh.

        Raises:
            SleightError: as `split_file` and `read_split_list`.
        """
        if split is not None:
            return read_split_list(self.split_file(split))
        return [
            (code, scale)
            for code in self.codes()
            for scale in SCALES
            if (self._coacd(code) / f"decomposed_{_tag(scale)}.obj").is_file()
        ]

    def objects(self, split: str | None = None, count: int | None = None) -> list[ObjectSpec]:
        """Return the objects of a split (or all), at most `count`; see `load_pairs` for what is left out.

        Raises:
            SleightError: if none can be used.
        """
        pairs = self.pairs(split)
        present = [pair for pair in pairs if self._has(pair[0])]
        # Without a limit the missing ones are counted in the warning; with one, the first that are there are taken.
        chosen = pairs if count is None or not present else present[:count]
        return load_pairs(chosen, self.object, self._has, self.root)

    def object(self, code: str, scale: float) -> ObjectSpec:
        """Return one object at a scale (m per unit), from its convex decomposition.

        Raises:
            SleightError: for a missing or refused mesh.
        """
        folder = self._coacd(checked_code(code, self.root))
        scale = known_scale(scale, self.root)
        unit = folder / "decomposed.obj"
        if unit.is_file():
            return mesh_object(unit, scale, "unidexgrasp", (code, scale))
        return mesh_object(folder / f"decomposed_{_tag(scale)}.obj", 1.0, "unidexgrasp", (code, scale))

    def grasps(self, code: str, scale: float, max_height: float = MAX_PLANE_HEIGHT) -> DatasetGrasps:
        """Return the tabletop grasps of an object at a scale whose table is at most `max_height` (m) below its origin.

        Raises:
            SleightError: for files that are missing, damaged, or not grasps.
        """
        folder = self.assets / "datasetv4.1" / checked_code(code, self.root)
        scale = known_scale(scale, self.root)
        files = sorted(folder.glob("*.npz"))
        if not files:
            raise SleightError("no grasps of this object", value=folder)
        rows = []
        for file in files:
            content = load_archive(file)
            if not {"qpos", "scale", "plane"} <= set(content):
                raise SleightError("not a grasp of UniDexGrasp", value=f"{file}: {sorted(content)}")
            if known_scale(_inverse(content["scale"]), file) == scale:
                rows.append((content["qpos"], content["plane"]))
        found = stack(rows, scale, folder)
        return found.select(found.planes[:, 3] <= max_height)

    def cloud(self, code: str, scale: float) -> Array:
        """Return the (4096, 3) surface points (m) that ResDex samples from.

        Raises:
            SleightError: for a missing or damaged file.
        """
        name = f"{checked_code(code, self.root)}{_tag(known_scale(scale, self.root))}.npy"
        return self._numbers(self.assets / "pcldata" / name, (None, 3))

    def object_code(self, code: str, scale: float) -> Array:
        """Return the (64,) object code that comes with the data, unscaled.

        Raises:
            SleightError: for a missing or damaged file.
        """
        name = f"pc_feat_{_tag(known_scale(scale, self.root))}.npy"
        return self._numbers(self.assets / "meshdatav3_pc_feat" / checked_code(code, self.root) / name, (64,))

    def _coacd(self, code: str) -> Path:
        return self.assets / "meshdatav3_scaled" / code / "coacd"

    def _has(self, code: str) -> bool:
        return self._coacd(code).is_dir()

    @staticmethod
    def _numbers(file: Path, shape: tuple[int | None, ...]) -> Array:
        values = load_array(file)
        fits = isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.ndim == len(shape)
        if not fits or any(want not in (None, have) for want, have in zip(shape, values.shape, strict=True)):
            raise SleightError("a dataset file of another form", value=file)
        return values.astype(np.float64)


def _tag(scale: float) -> str:
    return f"{round(100 * scale):03d}"


def _inverse(value: Any) -> float:
    """Return metres per unit from the grasp files' units per metre."""
    number = float(value) if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "fiu" else 0.0
    return 1.0 / number if number > 0 else float("nan")
