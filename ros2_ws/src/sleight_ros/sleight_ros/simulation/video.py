"""Films logged episodes after the fact: ``python -m sleight_ros.simulation.video LOGS OUT --objects ...``.

Needs an OpenGL context without a display (``MUJOCO_GL=egl``). Exit status 3, and one line, where there is none.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from sleight_description import load_hand
from sleight_sim.objects import ObjectSpec, resolve_objects
from sleight_sim.video import NoGraphicsError, OffscreenRenderer, video_writer
from sleight_sim.worlds.tabletop import build_model

NO_GRAPHICS = 3


def frames(log: Path, things: dict[str, ObjectSpec], hand: str, every: int) -> Iterator[np.ndarray]:
    """Pictures (H, W, 3) of one logged episode.

    Args:
        log: An ``episode_<n>.npz``.
        things: Objects by name.
        hand: Name of the hand.
        every: Take one of so many logged states.
    """
    with np.load(log) as data:
        qpos, name = data["qpos"], str(data["name"])
    renderer = OffscreenRenderer(build_model(load_hand(hand), things[name], visuals=True))
    with contextlib.closing(renderer):
        for row in qpos[::every]:
            yield renderer.frame(row)


def caption(picture: np.ndarray, text: str, colour: tuple[int, int, int]) -> np.ndarray:
    """Write a line into the upper left corner."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    box = draw.textbbox((10, 8), text)
    draw.rectangle((box[0] - 5, box[1] - 4, box[2] + 5, box[3] + 4), fill=(255, 255, 255))
    draw.text((10, 8), text, fill=colour)
    return np.asarray(image)


def film(
    logs: list[Path], out: Path, things: dict[str, ObjectSpec], captions: dict[str, list[str]], hand: str, fps: int
) -> None:
    """Write all episodes into one MP4, and a picture of a good moment beside it (``.png``)."""
    partial = out.with_suffix(".part.mp4")
    poster: np.ndarray | None = None
    with video_writer(partial, fps=fps) as write:
        for log in logs:
            text, verdict = captions.get(log.stem, [log.stem, ""])
            colour = {"held": (20, 110, 40), "": (40, 40, 40)}.get(verdict, (160, 30, 30))
            picture = None
            for picture in frames(log, things, hand, every=60 // fps):
                write(caption(picture, f"{text} {verdict}".strip(), colour))
            if picture is not None and (poster is None or verdict == "held"):
                poster = picture
    partial.replace(out)
    if poster is not None:
        Image.fromarray(poster).save(out.with_suffix(".png"))


def main(arguments: list[str] | None = None) -> int:
    """Film what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, help="folder of episode_<n>.npz")
    parser.add_argument("out", type=Path, help="MP4 file")
    parser.add_argument("--objects", nargs="+", required=True, help="entries as sim_node takes them")
    parser.add_argument("--mesh-scale", type=float, default=1.0)
    parser.add_argument("--episodes", type=int, nargs="+", required=True)
    parser.add_argument("--captions", default="{}", help="JSON: episode file's stem -> [text, verdict]")
    parser.add_argument("--hand", default="shadow")
    parser.add_argument("--fps", type=int, default=20, choices=(10, 12, 15, 20, 30))
    options = parser.parse_args(arguments)
    logs = [options.logs / f"episode_{n:03d}.npz" for n in options.episodes]
    logs = [log for log in logs if log.exists()]
    things = {t.name: t for entry in options.objects for t in resolve_objects(entry, mesh_scale=options.mesh_scale)}
    try:
        film(logs, options.out, things, json.loads(options.captions), options.hand, options.fps)
    except NoGraphicsError as error:
        print(f"no OpenGL context: {' '.join(str(error).split())[:200]}", file=sys.stderr)
        return NO_GRAPHICS
    return 0


if __name__ == "__main__":
    sys.exit(main())
