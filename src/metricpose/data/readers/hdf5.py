"""HDF5 files that are too large to be read whole, or that are no MAT files: opened, and read where asked."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from metricpose.data.faults import fault, need_file
from metricpose.errors import MissingExtraError

_MEND = "Mend the path, or copy or extract it again."


def read_hdf5(path: Path, *wanted: str) -> dict[str, np.ndarray]:
    """The data sets of an HDF5 file by their path in it: those that exist of the wanted ones, or all.

    Raises:
        DataError: missing, truncated or no HDF5 file.
        MissingExtraError: h5py is not installed.
    """
    h5py = _import_h5py()
    found: dict[str, np.ndarray] = {}

    def keep(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and (not wanted or name in wanted):
            found[name] = np.asarray(node[()])

    try:
        with h5py.File(need_file(path, "an HDF5 file", _MEND), "r") as file:
            file.visititems(keep)
    except (OSError, RuntimeError, KeyError) as error:
        raise fault(path, "an HDF5 file", f"{type(error).__name__}: {error}") from error
    return found


@lru_cache(maxsize=8)
def open_masks(path: Path) -> Masks:
    """The opened file of masks; the last eight stay open."""
    return Masks(path)


class Masks:
    """The cell array ``Masks`` of a MAT file of version 7.3: one mask for each frame of a video, read one by one.

    The masks of one video are gigabytes when decompressed.

    Args:
        path: of the file.

    Raises:
        DataError: missing, truncated, not of version 7.3, or without the variable.
        MissingExtraError: h5py is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        h5py = _import_h5py()
        try:
            self._file = h5py.File(need_file(path, "masks of Human3.6M", _MEND), "r")
            self._cells = self._file["Masks"][()].reshape(-1)
            self._file[self._cells[0]]
        except (OSError, RuntimeError, KeyError, TypeError, AttributeError, IndexError) as error:
            wanted = "a MAT file of version 7.3 with the cell array Masks"
            raise fault(path, wanted, f"{type(error).__name__}: {error}") from error

    def __len__(self) -> int:
        return len(self._cells)

    def read(self, frame: int) -> Bool[np.ndarray, "h w"]:
        """The mask of a frame, counted from 0.

        Raises:
            DataError: no such frame, or it cannot be read.
        """
        if not 0 <= frame < len(self):
            raise fault(self.path, f"a mask of frame {frame}", f"{len(self)} masks", "Is it another recording's file?")
        try:
            mask = np.asarray(self._file[self._cells[frame]][()])
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise fault(self.path, f"a mask of frame {frame}", f"{type(error).__name__}: {error}") from error
        if mask.ndim != 2:
            raise fault(self.path, f"a mask of frame {frame} with two axes", f"shape {mask.shape}")
        return mask.T != 0


def _import_h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5py", "data", "reading an HDF5 file") from error
    return h5py
