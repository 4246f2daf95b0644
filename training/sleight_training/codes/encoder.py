"""Object encoders as files, and the codes of objects."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sleight_core.bundle import Bundle
from sleight_core.bundle.policy import make_session
from sleight_core.errors import BundleError, SleightError
from sleight_sim.objects.clouds import CLOUD_POINTS, code_clouds
from sleight_sim.objects.spec import ObjectSpec

from sleight_training.checkpoint import replaced
from sleight_training.codes.network import PointNet

Array = NDArray[np.float32]
#: Clouds (N, P, 3) in the object frames (m) -> codes (N, 64).
Encode = Callable[[Array], Array]

#: The encoder that the repository keeps.
DEFAULT_ENCODER = Path("policies/checkpoints/object_codes.safetensors")
#: Role of the encoder's graph in a bundle, and the name of its input: clouds as vectors (B, 3 P).
ENCODER_ROLE = "encoder"
ENCODER_INPUT = "cloud"
_BATCH = 256


def write_encoder(path: Path, encoder: PointNet, about: str) -> Path:
    """Write an encoder (atomic).

    Args:
        path: The file, ending in ``.safetensors``.
        encoder: The encoder.
        about: What made it, as JSON.

    Raises:
        SleightError: The file's name is another.
    """
    if path.suffix != ".safetensors":
        raise SleightError("encoders are kept in a file of another name", value=path, remedy="end it in .safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as part:
        save_file({name: value.contiguous() for name, value in encoder.state_dict().items()}, part, {"codes": about})
    return path


def read_encoder(path: Path) -> PointNet:
    """Read an encoder.

    Raises:
        SleightError: It is missing, damaged, or of another kind.
    """
    remedy = "make one with 'sleight train codes'"
    encoder = PointNet()
    try:
        with safe_open(path, framework="pt") as file:
            if "codes" not in (file.metadata() or {}):
                raise SleightError("no encoder of objects is in this file", value=path, remedy=remedy)
            encoder.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except FileNotFoundError as error:
        raise SleightError("no such encoder of objects", value=path, remedy=remedy) from error
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SleightError("encoder of objects cannot be read", value=path, remedy=f"{remedy} ({reason})") from error
    if not all(bool(torch.isfinite(value).all()) for value in encoder.state_dict().values()):
        raise SleightError("encoder of objects is not finite", value=path, remedy=remedy)
    return encoder.eval()


def encoder_digest(encoder: PointNet) -> str:
    """SHA-256 over an encoder's numbers: its identity, whatever file holds it."""
    digest = hashlib.sha256()
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def encode_with(encoder: PointNet) -> Encode:
    """Return an encoder as a function of arrays.

    It computes in double precision, as an exported encoder does: standardisation magnifies the last digits.
    """
    precise = copy.deepcopy(encoder).double().eval()

    def encode(clouds: Array) -> Array:
        with torch.no_grad():
            parts = [precise(torch.from_numpy(clouds[i : i + _BATCH]).double()) for i in range(0, len(clouds), _BATCH)]
        return torch.cat(parts).float().numpy()

    return encode


def bundle_encode(bundle: Bundle) -> Encode:
    """Return the encoder of a bundle as a function of arrays.

    Raises:
        BundleError: The bundle has none.
    """
    if ENCODER_ROLE not in bundle.graphs:
        raise BundleError(
            "graphs",
            expected=f"a graph of role '{ENCODER_ROLE}' for the observation's object code",
            found=f"only {sorted(bundle.graphs)}",
            remedy="export the run again",
        )
    session = make_session(bundle.graphs[ENCODER_ROLE], f"graphs.{ENCODER_ROLE}")

    def encode(clouds: Array) -> Array:
        flat = clouds.reshape(len(clouds), -1)
        parts = [session.run(None, {ENCODER_INPUT: flat[i : i + _BATCH]})[0] for i in range(0, len(flat), _BATCH)]
        return np.concatenate([np.asarray(part) for part in parts])

    return encode


def object_codes(things: Sequence[ObjectSpec], encode: Encode) -> Array:
    """Return the codes (N, 64) of objects; one that is listed often is encoded once."""
    distinct = {id(thing): thing for thing in things}
    rows = {key: row for row, key in enumerate(distinct)}
    codes = encode(code_clouds(list(distinct.values()), CLOUD_POINTS))
    return codes[[rows[id(thing)] for thing in things]]
