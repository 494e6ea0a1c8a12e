"""MAT files of both kinds come out alike; CDF; refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cdflib.cdfwrite
import h5py
import numpy as np
import pytest
from scipy.io import savemat

from layouts.mat73 import cell, save_mat73, struct_array
from metricpose.data.scientific import read_cdf, read_mat
from metricpose.errors import DataError

NUMBERS = np.random.default_rng(0).normal(size=(2, 3, 4))


def as_cell(values: list[Any], shape: tuple[int, int]) -> np.ndarray:
    out = np.empty(len(values), object)
    for i, v in enumerate(values):
        out[i] = v
    return out.reshape(shape)


def write_5(path: Path) -> None:
    rows = np.zeros((1, 2), [("name", object), ("x", object)])
    rows[0, 0], rows[0, 1] = ("one", np.array([[1.0, 2]])), ("two", np.array([[3.0]]))
    savemat(
        path,
        {
            "numbers": NUMBERS,
            "flag": np.array([[1]], np.uint8),
            "text": "walking",
            "empty": np.zeros((0, 0)),
            "annot": as_cell([NUMBERS[0], "a", np.array([[5.0]])], (3, 1)),
            "info": {"fps": 25.0, "inner": {"title": "deep"}},
            "rows": rows,
        },
    )


def write_73(path: Path) -> None:
    save_mat73(
        path,
        {
            "numbers": NUMBERS,
            "flag": np.array([[1]], np.uint8),
            "text": "walking",
            "empty": np.zeros((0, 0)),
            "annot": cell([NUMBERS[0], "a", np.array([[5.0]])], (3, 1)),
            "info": {"fps": np.array([[25.0]]), "inner": {"title": "deep"}},
            "rows": struct_array([{"name": "one", "x": np.array([[1.0, 2]])}, {"name": "two", "x": np.array([[3.0]])}]),
        },
    )


@pytest.mark.parametrize("write", [write_5, write_73])
def test_both_versions_give_the_same_values(tmp_path: Path, write: Any) -> None:
    write(tmp_path / "a.mat")
    found = read_mat(tmp_path / "a.mat")
    np.testing.assert_array_equal(found["numbers"], NUMBERS)
    assert found["flag"].tolist() == [[1]]
    assert found["text"] == "walking"
    assert found["empty"].size == 0
    assert found["annot"].shape == (3, 1)
    np.testing.assert_array_equal(found["annot"][0, 0], NUMBERS[0])
    assert found["annot"][1, 0] == "a"
    assert found["annot"][2, 0].tolist() == [[5]]
    assert found["info"]["fps"].item() == 25
    assert found["info"]["inner"]["title"] == "deep"
    assert found["rows"].shape == (1, 2)
    assert [r["name"] for r in found["rows"][0]] == ["one", "two"]
    assert found["rows"][0, 0]["x"].tolist() == [[1, 2]]
    assert set(read_mat(tmp_path / "a.mat", "text")) == {"text"}
    with pytest.raises(DataError, match=r"a\.mat: expected the variables text, annot2, found no annot2"):
        read_mat(tmp_path / "a.mat", "text", "annot2")


@pytest.mark.parametrize("write", [write_5, write_73])
@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_damaged_files_are_named(tmp_path: Path, write: Any, kept: float) -> None:
    path = tmp_path / "a.mat"
    write(path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(DataError, match=r"a\.mat: expected a MAT file"):
        read_mat(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_text("<html>please log in</html>" * 50)
    with pytest.raises(DataError, match=r"a\.mat: expected a MAT file"):
        read_mat(tmp_path / "a.mat")
    with h5py.File(tmp_path / "b.mat", "w") as file:
        file["x"] = np.zeros((2, 3))
    assert read_mat(tmp_path / "b.mat")["x"].shape == (3, 2)  # HDF5 without Matlab's header


def write_cdf(path: Path, name: str, values: np.ndarray) -> None:
    writer = cdflib.cdfwrite.CDF(str(path), cdf_spec={"rDim_sizes": [], "Majority": "Row_major"}, delete=True)
    spec = {"Variable": name, "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": list(values.shape[1:])}
    writer.write_var(spec, var_data=values)
    writer.close()


def test_cdf(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(1, 7, 96)).astype(np.float32)
    write_cdf(tmp_path / "a.cdf", "Pose", values)
    np.testing.assert_array_equal(read_cdf(tmp_path / "a.cdf", "Pose").reshape(7, 96), values[0])
    with pytest.raises(DataError, match=r"a\.cdf: expected the variable Angles, found only Pose"):
        read_cdf(tmp_path / "a.cdf", "Angles")
    data = (tmp_path / "a.cdf").read_bytes()
    (tmp_path / "a.cdf").write_bytes(data[: len(data) // 3])
    with pytest.raises(DataError, match=r"a\.cdf: expected a CDF file"):
        read_cdf(tmp_path / "a.cdf", "Pose")
