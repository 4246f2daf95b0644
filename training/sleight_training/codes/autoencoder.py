"""Pre-training of the object encoder: it learns to draw an object's surface from 64 numbers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field, ValidationError
from sleight_core.errors import SleightError
from sleight_sim.objects.clouds import CLOUD_POINTS, code_clouds
from sleight_sim.objects.sets import resolve_objects

from sleight_training.checkpoint import CHECKPOINT, fitting, read_checkpoint, write_checkpoint
from sleight_training.codes.choose import choose_objects
from sleight_training.codes.encoder import encode_with, encoder_digest, write_encoder
from sleight_training.codes.network import Decoder, PointNet, chamfer
from sleight_training.presets import choose_preset
from sleight_training.run import RunRecord, provenance

CONFIG = "codes.json"
ENCODER = "encoder.safetensors"
CHOICE = "chosen.json"


class CodesConfig(RunRecord):
    """What a pre-training is; written once when it starts.

    Attributes:
        preset: Name of the preset it started from.
        objects: Object set it learns on.
        seed: Seed of networks, points and clusters.
        count: Learn on this many objects of the set; None for all.
        epochs: Passes over the objects.
        batch: Clouds a step.
        input_points: Points of a cloud that the encoder sees in training, drawn anew each time.
        output_points: Points that the decoder draws.
        target_points: Points of the cloud that they are compared with.
        learning_rate: Of Adam at the start; it falls to a hundredth along a cosine.
        save_every: Epochs between two checkpoints.
    """

    preset: str
    objects: str
    seed: int
    count: int | None = Field(default=None, ge=1)
    epochs: int = Field(default=20, ge=1)
    batch: int = Field(default=64, ge=1)
    input_points: int = Field(default=128, ge=1, le=CLOUD_POINTS)
    output_points: int = Field(default=128, ge=1)
    target_points: int = Field(default=256, ge=1, le=CLOUD_POINTS)
    learning_rate: float = Field(default=1e-3, gt=0)
    save_every: int = Field(default=5, ge=1)


#: `cpu` for two cores, `full` for a GPU, `smoke` for tests.
PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {},
    "full": {
        "epochs": 400,
        "input_points": CLOUD_POINTS,
        "output_points": CLOUD_POINTS,
        "target_points": CLOUD_POINTS,
        "save_every": 20,
    },
    "smoke": {
        "count": 12,
        "epochs": 3,
        "batch": 4,
        "input_points": 64,
        "output_points": 32,
        "target_points": 64,
        "save_every": 1,
    },
}


@dataclass
class CodesProgress:
    """Where a pre-training stands.

    Attributes:
        epoch: Finished epochs.
        seconds: Learning time so far, over all sessions.
        error: Root of half the mean chamfer distance in the last epoch: how far drawn surfaces are off (m).
    """

    epoch: int = 0
    seconds: float = 0.0
    error: float = float("nan")


def prepare_codes(
    folder: Path, *, objects: str, preset: str, seed: int, epochs: int | None, resume: bool
) -> CodesConfig:
    """Write a new pre-training's configuration, or read the one to resume.

    Raises:
        SleightError: The folder holds one already, there is nothing to resume, or the preset is unknown.
    """
    path = folder / CONFIG
    if resume:
        try:
            return CodesConfig.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise SleightError("no pre-training of object codes to resume", value=folder) from error
    if path.exists():
        remedy = "add --resume to continue it, or choose another --out"
        raise SleightError("this folder holds a pre-training already", value=folder, remedy=remedy)
    sizes = choose_preset(PRESETS, preset) | ({} if epochs is None else {"epochs": epochs})
    given = {"preset": preset, "objects": objects, "seed": seed}
    config = CodesConfig.model_validate({**given, **sizes, **provenance()})
    resolve_objects(objects, count=1)  # refuse a wrong name before anything is written
    folder.mkdir(parents=True, exist_ok=True)
    config.write(folder, CONFIG)
    return config


def train_codes(
    folder: Path,
    config: CodesConfig,
    *,
    resume: bool = False,
    report: Callable[[CodesProgress], bool | None] | None = None,
    device: str = "cpu",
) -> CodesProgress:
    """Pre-train, or continue, an encoder; writes checkpoints, `encoder.safetensors` and `chosen.json`.

    An interrupted and resumed training ends with the same numbers as one in a single go.

    Args:
        folder: The run's folder, with its configuration.
        config: The configuration.
        resume: Continue from the checkpoint; a run killed before its first one starts over.
        report: Called after each epoch; training ends early when it returns True.
        device: Device of the networks.
    """
    things = resolve_objects(config.objects, count=config.count)
    clouds = torch.from_numpy(code_clouds(things, CLOUD_POINTS))
    torch.manual_seed(config.seed)
    encoder, decoder = PointNet().to(device), Decoder(config.output_points).to(device)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs, 0.01 * config.learning_rate)
    parts: dict[str, Any] = {"encoder": encoder, "decoder": decoder, "optimizer": optimizer, "schedule": schedule}
    progress = CodesProgress()
    path = folder / CHECKPOINT
    if resume and path.exists():
        data = read_checkpoint(path)
        with fitting(path):
            for name, part in parts.items():
                part.load_state_dict(data[name])
            progress = CodesProgress(**data["progress"])

    def save() -> None:
        data = {name: part.state_dict() for name, part in parts.items()}
        write_checkpoint(path, {**data, "progress": vars(progress)})

    try:
        with open(folder / "metrics.jsonl", "a", encoding="utf-8") as log:
            while progress.epoch < config.epochs:
                started = time.perf_counter()
                progress.error = _epoch(config, progress.epoch, clouds, encoder, decoder, optimizer, device)
                schedule.step()
                progress.epoch += 1
                progress.seconds += time.perf_counter() - started
                log.write(json.dumps(vars(progress)) + "\n")
                log.flush()
                if progress.epoch % config.save_every == 0:
                    save()
                if report and report(progress):
                    break
    finally:
        if progress.epoch:
            save()
    _finish(folder, config, progress, encoder.cpu(), clouds, [thing.name for thing in things])
    return progress


def _epoch(
    config: CodesConfig,
    epoch: int,
    clouds: torch.Tensor,
    encoder: PointNet,
    decoder: Decoder,
    optimizer: torch.optim.Optimizer,
    device: str,
) -> float:
    """Learn from every cloud once; return the error (m)."""
    # Drawn from the epoch, so that a resumed run sees what an uninterrupted one would have seen.
    generator = torch.Generator().manual_seed(int(np.random.SeedSequence((config.seed, epoch)).generate_state(1)[0]))
    losses = []
    for rows in torch.randperm(len(clouds), generator=generator).split(config.batch):
        whole = clouds[rows].to(device)
        seen, target = (
            whole[:, torch.randperm(whole.shape[1], generator=generator)[:count].to(device)]
            for count in (config.input_points, config.target_points)
        )
        loss = chamfer(decoder(encoder.raw(seen)), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()) * len(rows))
    return float(np.sqrt(0.5 * sum(losses) / len(clouds)))


def _finish(
    folder: Path,
    config: CodesConfig,
    progress: CodesProgress,
    encoder: PointNet,
    clouds: torch.Tensor,
    names: list[str],
) -> None:
    """Standardise the codes, and write encoder and choice."""
    with torch.no_grad():
        encoder.set_statistics(torch.cat([encoder.raw(part) for part in clouds.split(256)]))
    about = {"config": config.model_dump(), "progress": vars(progress)}
    write_encoder(folder / ENCODER, encoder, json.dumps(about))
    codes = encode_with(encoder)(clouds.numpy())
    choice = choose_objects(
        codes,
        names,
        config.seed,
        objects=config.objects,
        encoder_sha256=encoder_digest(encoder),
        command=config.command,
    )
    (folder / CHOICE).write_text(json.dumps(choice, indent=1) + "\n", encoding="utf-8")
