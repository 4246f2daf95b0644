"""Over-centre springs: signs, sizes and dead band of their torques, against the derivative of their energy."""

import numpy as np
import pytest
from sleight_sim.tasks.compose.springs import detent, toggle


@pytest.mark.parametrize("spring", [detent(0.7, 0.12, 0.1), toggle(0.1, 0.35, 0.02)])
def test_the_torque_is_the_slope_of_the_energy(spring):
    angles, step = np.linspace(-0.3, 0.3, 61), 1e-6

    def energy(angle):
        return 0.5 * spring.stiffness * np.maximum(spring.length(angle) - spring.rest_length, 0.0) ** 2

    slope = -(energy(angles + step) - energy(angles - step)) / (2.0 * step)
    assert spring.torque(angles) == pytest.approx(slope, abs=1e-5)


def test_a_detent_closes_before_its_centre_helps_beyond_and_lets_go():
    spring = detent(0.7, 0.12, 0.1)
    assert -spring.torque(np.linspace(0.0, 0.12, 500)).min() == pytest.approx(0.7, rel=1e-3)
    assert spring.torque(0.0) < 0.0 < spring.torque(0.18)
    assert spring.torque(0.12) == pytest.approx(0.0, abs=1e-9)
    assert (spring.torque(np.linspace(0.301, 1.8, 50)) == 0.0).all()


def test_a_toggle_drives_to_both_ends():
    spring = toggle(0.1, 0.35, 0.02)
    assert spring.torque(np.array([-0.35, 0.0, 0.35])) == pytest.approx([-0.1, 0.0, 0.1])
