"""A run's networks in one small file (safetensors): what a repository keeps of a training, and goes on from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sleight_core.errors import SleightError

from sleight_training.checkpoint import CHECKPOINT, read_checkpoint, replaced, write_checkpoint
from sleight_training.run import CONFIG, RunConfig, read_run

SUFFIX = ".safetensors"
_STATE = "_state_dict"
_LEARNER = "optimizer_state_dict"
_MOMENTS = "optimizer"


def write_weights(folder: Path, path: Path, checkpoint: str = CHECKPOINT, *, learner: bool = False) -> Path:
    """Write actor and critic of a run, with its configuration and progress; logs stay behind.

    Args:
        folder: The run.
        path: The file, ending in ``.safetensors``; replaced atomically.
        checkpoint: File of the run to take.
        learner: Keep the optimiser as well, three times as large: a run restored from the file can then be resumed.

    Raises:
        SleightError: The folder is no run, its checkpoint is missing or damaged, or the file's name is another.
    """
    if path.suffix != SUFFIX:
        raise SleightError("weights are kept in a file of another name", value=path, remedy=f"end it in {SUFFIX}")
    run, data = read_run(folder), read_checkpoint(folder / checkpoint)
    tensors = {
        f"{network.removesuffix(_STATE)}.{name}": value.contiguous()
        for network, state in data.items()
        if network.endswith(_STATE) and network != _LEARNER
        for name, value in state.items()
    }
    metadata = {"run": run.model_dump_json(), "progress": json.dumps(data["progress"])}
    if learner:
        moments = data[_LEARNER]["state"]
        tensors.update(
            {f"{_MOMENTS}.{i}.{name}": torch.as_tensor(v) for i, part in moments.items() for name, v in part.items()}
        )
        metadata["param_groups"] = json.dumps(data[_LEARNER]["param_groups"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as part:
        save_file(tensors, part, metadata=metadata)
    return path


def read_weights(path: Path) -> tuple[RunConfig, dict[str, Any]]:
    """Read such a file.

    Returns:
        The run's configuration, and what `read_checkpoint` returns of a checkpoint; the optimiser's part where it was
        kept.

    Raises:
        SleightError: It is missing, damaged, or of another kind.
    """
    states: dict[str, Any] = {}
    learner: dict[str, Any] = {}
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            for key in file.keys():  # noqa: SIM118  # not a mapping
                network, name = key.split(".", 1)
                if network == _MOMENTS:
                    index, moment = name.split(".", 1)
                    learner.setdefault("state", {}).setdefault(int(index), {})[moment] = file.get_tensor(key)
                else:
                    states.setdefault(network + _STATE, {})[name] = file.get_tensor(key)
        if learner:
            learner["param_groups"] = json.loads(metadata["param_groups"])
        run = RunConfig.model_validate_json(metadata["run"])
        progress = json.loads(metadata["progress"])
    except FileNotFoundError as error:
        raise SleightError("no such weights", value=path) from error
    except (SafetensorError, KeyError, ValueError, ValidationError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SleightError("weights cannot be read", value=path, remedy=f"write them again ({reason})") from error
    if not all(torch.isfinite(value).all() for state in states.values() for value in state.values()):
        raise SleightError("weights are not finite", value=path, remedy="train again")
    if "actor_state_dict" not in states:
        raise SleightError("weights hold no actor", value=path, remedy="write them again")
    return run, {**states, **({_LEARNER: learner} if learner else {}), "progress": progress}


def restore_run(path: Path, folder: Path) -> RunConfig:
    """Make a run's folder of a file that was kept of it.

    The run can be exported, judged and built on like any other; resumed only when the learner was kept.

    Args:
        path: The file.
        folder: The run's folder; one that holds this very run already stays as it is.

    Raises:
        SleightError: The file cannot be read, or the folder holds another run.
    """
    run, data = read_weights(path)
    if (folder / CONFIG).exists():
        if read_run(folder) != run:
            raise SleightError("this folder holds another run", value=folder, remedy="choose another --out")
        return run
    folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(folder / CHECKPOINT, data)
    if run.hyper is not None:
        from sleight_training.hyper.training import write_frozen  # builds on this module

        write_frozen(folder, data)
    run.write(folder)  # last: a folder with a configuration is whole
    return run
