"""The figures of DexCompose: composite success in per cent, by pair.

From the data files of the project page (revision of 15 September 2026), which the paper's tables repeat. The files say
that they are means over 13 seeds of 32 rollouts, the paper says 8 seeds of 32: 1/416 divides the figures, 1/256 does
not. Only the spread over seeds of the method itself can be read in the paper's text.
"""

from __future__ import annotations

from statistics import fmean

from sleight_training.compose.residual.methods import Method
from sleight_training.reproduce.published import Published

#: The method that only the paper compares with: it is not implemented here.
HANDFUL = "HANDFUL"
#: Columns of Table 1 and of Table 2.
MAIN = (Method.FROZEN, Method.DECOMPOSED, Method.RESIDUAL, HANDFUL, Method.OURS_ZS, Method.OURS)
ABLATIONS = (
    Method.OURS,
    Method.OURS_ZS,
    Method.STABILISER_ONLY,
    Method.NO_ALLOCATION,
    Method.NO_STABILISER,
    Method.NO_MASK,
    Method.NO_TRANSITION,
)

#: Table 1: Frozen, Decomposed, Residual Learning, HANDFUL, Ours-ZS; the method's mean and spread over seeds.
_MAIN: dict[tuple[str, str], tuple[float, ...]] = {
    ("GraspBall", "OpenDoor"): (0.00, 38.94, 66.35, 52.16, 73.56, 82.69, 8.33),
    ("GraspBall", "PushButton"): (7.69, 42.31, 74.04, 73.56, 76.92, 85.58, 7.50),
    ("GraspBall", "OpenMicrowave"): (0.00, 34.62, 63.46, 43.51, 64.66, 73.08, 9.25),
    ("GraspBall", "TurnOnSwitch"): (0.00, 31.73, 55.29, 55.29, 63.94, 71.88, 8.93),
    ("PourMug", "OpenDoor"): (0.00, 36.54, 58.65, 38.46, 66.59, 75.72, 8.08),
    ("PourMug", "PushButton"): (9.13, 40.87, 71.63, 55.05, 78.61, 85.58, 7.28),
    ("PourMug", "OpenMicrowave"): (0.00, 32.21, 54.81, 24.04, 52.40, 62.74, 8.21),
    ("PourMug", "TurnOnSwitch"): (0.00, 30.29, 50.96, 35.82, 55.29, 64.90, 9.89),
    ("PickCan", "OpenDoor"): (0.00, 35.58, 56.73, 56.97, 72.84, 79.09, 6.04),
    ("PickCan", "PushButton"): (8.65, 39.90, 66.83, 75.48, 77.64, 85.34, 6.92),
    ("PickCan", "OpenMicrowave"): (0.00, 31.25, 53.85, 42.79, 64.42, 72.36, 11.82),
    ("PickCan", "TurnOnSwitch"): (0.00, 29.81, 55.29, 55.05, 58.41, 65.38, 6.81),
    ("PickStick", "OpenDoor"): (0.00, 83.17, 71.15, 18.75, 78.37, 86.30, 5.78),
    ("PickStick", "PushButton"): (21.15, 84.13, 76.44, 34.62, 79.57, 86.54, 4.84),
    ("PickStick", "OpenMicrowave"): (0.00, 76.92, 61.54, 15.38, 77.88, 87.26, 7.81),
    ("PickStick", "TurnOnSwitch"): (2.88, 61.54, 48.56, 20.19, 66.59, 74.52, 6.10),
}
#: Table 2, what Table 1 has not: stabiliser only, no allocation, no Task-A residual, no mask, no transition.
_ABLATIONS: dict[tuple[str, str], tuple[float, ...]] = {
    ("GraspBall", "OpenDoor"): (70.91, 73.80, 3.85, 67.07, 75.00),
    ("GraspBall", "PushButton"): (65.38, 70.43, 3.37, 68.75, 79.33),
    ("GraspBall", "OpenMicrowave"): (41.11, 43.51, 0.96, 56.73, 64.90),
    ("GraspBall", "TurnOnSwitch"): (48.56, 54.33, 0.96, 53.37, 63.22),
    ("PourMug", "OpenDoor"): (58.17, 62.02, 15.38, 56.97, 64.90),
    ("PourMug", "PushButton"): (56.97, 62.74, 17.79, 67.55, 76.68),
    ("PourMug", "OpenMicrowave"): (32.45, 37.02, 13.46, 45.43, 55.05),
    ("PourMug", "TurnOnSwitch"): (37.26, 40.62, 12.02, 44.23, 55.77),
    ("PickCan", "OpenDoor"): (54.81, 57.21, 14.66, 60.82, 70.43),
    ("PickCan", "PushButton"): (50.96, 56.49, 16.59, 62.26, 77.64),
    ("PickCan", "OpenMicrowave"): (25.96, 30.29, 11.78, 51.68, 62.02),
    ("PickCan", "TurnOnSwitch"): (29.33, 32.21, 11.54, 45.43, 57.93),
    ("PickStick", "OpenDoor"): (69.95, 73.32, 5.53, 71.88, 77.40),
    ("PickStick", "PushButton"): (65.87, 70.91, 6.25, 68.27, 78.12),
    ("PickStick", "OpenMicrowave"): (49.04, 54.33, 3.37, 68.27, 77.64),
    ("PickStick", "TurnOnSwitch"): (48.08, 53.12, 2.88, 57.45, 68.27),
}
#: The 16 pairs, in the paper's order.
PAIRS: tuple[tuple[str, str], ...] = tuple(_MAIN)
#: The means that the files print, by method.
MEANS: dict[str, Published] = {
    Method.FROZEN: Published(3.09),
    Method.DECOMPOSED: Published(45.61),
    Method.RESIDUAL: Published(61.60),
    HANDFUL: Published(43.57),
    Method.OURS_ZS: Published(69.23),
    Method.OURS: Published(77.43, 2.64),
    Method.STABILISER_ONLY: Published(50.30),
    Method.NO_ALLOCATION: Published(54.52),
    Method.NO_STABILISER: Published(8.77),
    Method.NO_MASK: Published(59.13),
    Method.NO_TRANSITION: Published(69.02),
}
#: Table 3, by pair: the heuristic selector and the language model.
SELECTORS: dict[tuple[str, str], tuple[Published, Published]] = {
    ("GraspBall", "OpenDoor"): (Published(72.1), Published(82.7)),
    ("GraspBall", "TurnOnSwitch"): (Published(63.5), Published(71.9)),
    ("PickCan", "OpenMicrowave"): (Published(68.3), Published(72.4)),
    ("PourMug", "TurnOnSwitch"): (Published(62.0), Published(64.9)),
}
#: Table 4: success of each skill alone.
STANDALONE: dict[str, Published] = {
    "GraspBall": Published(100.0),
    "PourMug": Published(100.0),
    "PickCan": Published(100.0),
    "PickStick": Published(100.0),
    "OpenDoor": Published(97.59),
    "PushButton": Published(100.0),
    "OpenMicrowave": Published(89.90),
    "TurnOnSwitch": Published(82.21),
}
#: What the facts say of three skills in sequence; it has no job here.
THREE_SKILLS = Published(62.11)


def composite(pair: tuple[str, str], method: str) -> Published | None:
    """The printed composite success of a pair under a method; None where the paper has none."""
    main, ablations = _MAIN.get(pair), _ABLATIONS.get(pair)
    if main is None or ablations is None:
        return None
    if method == Method.OURS:
        return Published(main[5], main[6])
    if method in MAIN:
        return Published(main[MAIN.index(method)])
    if method in ABLATIONS:
        return Published(ablations[ABLATIONS.index(method) - 2])
    return None


def mean_of(pairs: list[tuple[str, str]], method: str) -> Published | None:
    """The mean of the printed figures of some pairs under a method; None where one has none."""
    figures = [composite(pair, method) for pair in pairs]
    values = [figure.value for figure in figures if figure is not None]
    return Published(fmean(values)) if values and len(values) == len(figures) else None
