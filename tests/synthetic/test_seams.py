import numpy as np

from metricpose.synthetic.seams import split_seams


def test_a_seam_doubles_only_the_vertices_on_it() -> None:
    faces = np.array([[0, 1, 2], [2, 1, 3], [0, 2, 4]])
    corners = np.array([[0, 1, 2], [2, 1, 3], [5, 6, 4]])  # the last face is cut off along the edge 0-2
    vertex, uv, split = split_seams(faces, corners)
    np.testing.assert_array_equal(vertex[split], faces)
    np.testing.assert_array_equal(uv[split], corners)
    assert len(vertex) == 7
    assert len({*zip(vertex.tolist(), uv.tolist())}) == 7
