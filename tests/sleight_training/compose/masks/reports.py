"""Reports of release tests and finger use, made up."""

from sleight_training.compose.masks.config import ReleaseConfig, UseConfig
from sleight_training.compose.masks.diagnostics import FingerUse, MaskResult, ReleaseReport, UseReport
from sleight_training.compose.masks.mask import FingerMask, candidate_masks

FINGERS = ("ff", "mf", "rf", "lf", "th")


def result(mask, retained, clean, rollouts=100):
    both = max(0, min(retained, clean) - 1)
    return MaskResult(
        preserved=mask.preserved, released=mask.released, rollouts=rollouts, retained=retained, clean=clean, both=both
    )


def release_report(counts, task="GraspBall", rollouts=100):
    """`counts`: retained and clean rollouts of each of the 30 masks, or of preserved fingers by name."""
    masks = candidate_masks(FINGERS)
    if isinstance(counts, dict):
        counts = [counts.get(str(mask), (0, rollouts)) for mask in masks]
    return ReleaseReport(
        task=task, fingers=FINGERS, config=ReleaseConfig(rollouts=rollouts), states=10, source="scripted",
        candidates=tuple(result(mask, row[0], row[1], rollouts) for mask, row in zip(masks, counts, strict=True)),
        all_preserved=result(FingerMask.of(FINGERS, FINGERS), rollouts, rollouts, rollouts),
        none_preserved=result(FingerMask.of(FINGERS, ()), 0, rollouts, rollouts),
    )  # fmt: skip


def use_report(force, task="PushButton", motion=(0.0,) * 5):
    uses = [
        FingerUse(finger=n, force=f, touched=float(f > 0), motion=m)
        for n, f, m in zip(FINGERS, force, motion, strict=True)
    ]
    return UseReport(task=task, source="scripted", config=UseConfig(), succeeded=10, fingers=tuple(uses))
