"""The figures that the ResDex paper prints: success in per cent, and D."""

from __future__ import annotations

from sleight_training.reproduce.published import Published


def _row(*figures: float | tuple[float, float]) -> tuple[Published, ...]:
    return tuple(Published(*figure) if isinstance(figure, tuple) else Published(figure) for figure in figures)


#: Success on training, unseen object and unseen category (Tables 1 and 2).
UNIDEXGRASP_STATE = _row(79.4, 74.3, 70.8)
UNIDEXGRASP_PP_STATE = _row(87.9, 84.3, 83.1)
UNIDEXGRASP_VISION = _row(73.7, 68.6, 65.1)
UNIDEXGRASP_PP_VISION = _row(85.4, 79.6, 76.7)
RESDEX_VISION = _row(88.8, 88.5, 87.2)

#: Tables 5 (and 1) and 6 (and 1): success after each stage, by k.
STAGE_1 = {
    1: _row((83.2, 1.5), (82.8, 1.0), (85.1, 0.9)),
    2: _row((82.8, 3.9), (82.6, 3.2), (85.0, 3.3)),
    3: _row((88.1, 1.2), (88.2, 0.4), (89.3, 1.0)),
    4: _row((90.6, 0.6), (89.7, 0.8), (90.9, 0.1)),
    5: _row((87.6, 0.5), (87.3, 0.8), (88.1, 0.2)),
    6: _row((88.7, 0.6), (87.8, 0.5), (88.8, 1.1)),
}
STAGE_2 = {
    1: _row((94.3, 1.6), (93.8, 1.8), (94.5, 1.3)),
    2: _row((94.5, 0.9), (94.3, 1.1), (95.2, 1.0)),
    3: _row((94.1, 0.9), (93.9, 0.9), (94.4, 1.2)),
    4: _row((94.6, 1.6), (94.4, 1.7), (95.4, 1.0)),
    5: _row((94.2, 0.5), (93.7, 0.9), (94.2, 0.6)),
    6: _row((93.9, 1.3), (93.6, 1.6), (94.5, 1.1)),
}

#: Table 3, by k: success on the training set without and with a residual.
MOE = dict(zip(range(1, 7), _row(61.4, 71.1, 79.4, 80.3, 72.1, 81.6), strict=True))
MOE_RESIDUAL = dict(zip(range(1, 7), _row(83.2, 82.8, 88.1, 90.6, 87.6, 88.7), strict=True))

#: B.1: the vision-based policy on the 75 objects of the YCB set, zero-shot.
YCB = Published(65.55, digits=2)
#: B.2: a LEAP Hand on an arm of six joints, on the training objects; which of its policies is not said.
LEAP = Published(60.71, digits=2)

#: Table 4, by k: D on unseen categories after both stages.
GRASP_DISTANCE = dict(zip(range(1, 7), _row(223.6, 174.5, 194.3, 176.3, 204.6, 176.1), strict=True))
