import numpy as np
import pytest

from metricpose.synthetic.body import Body
from metricpose.synthetic.knees import Heads, refit_knees
from metricpose.synthetic.phenotype import Phenotype

BONES = ["root", "lowerleg01.L", "lowerleg01.R"]


def two_legs() -> tuple[np.ndarray, np.ndarray]:
    """Two tubes of vertices; the basis raises every vertex by 1 (first row) or the left leg only (second)."""
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = 0.05 * np.stack([np.cos(angles), np.sin(angles)], 1)
    rows = [[sign * 0.1 + x, y, z] for sign in (1, -1) for z in np.linspace(0, 1.8, 37) for x, y in ring]
    mean = np.array(rows)
    basis = np.zeros((2, len(mean), 3))
    basis[0, :, 2] = 1.0
    basis[1, mean[:, 0] > 0, 2] = 1.0
    return mean, basis.reshape(2, -1)


def test_knees_follow_the_ring_of_skin() -> None:
    mean, basis = two_legs()
    heads = Heads(np.array([[0, 0, 1.0], [0.1, 0, 0.5], [-0.1, 0, 0.5]]), np.zeros((2, 9)))
    new = refit_knees(heads, mean, basis, np.arange(len(mean)), np.zeros(2), BONES)
    moved = new.mean + (np.array([0.2, 0.07]) @ new.basis).reshape(-1, 3)
    np.testing.assert_allclose(moved, [[0, 0, 1.0], [0.1, 0, 0.77], [-0.1, 0, 0.7]], atol=1e-9)
    np.testing.assert_array_equal(heads.basis, 0.0)


@pytest.mark.parametrize("height", [0.2, 0.37, 0.6])
def test_the_pivot_lies_level_with_the_kneecap_at_every_height(body: Body, height: float) -> None:
    def level(h: float) -> float:
        shape = body.shape(body.prior.coefficients(Phenotype(30.0, {"height": h, "age": 0.7})))
        indices, weights = body.keypoints["left_knee"]
        visible = weights @ shape.vertices[indices]
        return float(
            1750 * (shape.heads[body.bone_index["lowerleg01.L"], 2] - visible[2]) / np.ptp(shape.vertices[:, 2])
        )

    assert level(height) == pytest.approx(level(0.5), abs=8.0)
