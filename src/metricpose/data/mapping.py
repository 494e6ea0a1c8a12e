"""Tensors of a safetensors file as views of the file: nothing is read before it is used, nothing is kept in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from metricpose.errors import DataError

_TYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "I8": "i1", "U8": "u1", "BOOL": "?"}
_LONGEST_HEADER = 100 << 20


def map_tensors(path: str | Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Metadata and tensors, read-only.

    Raises:
        DataError: missing, truncated, or no safetensors file of numbers.
    """
    try:
        size = Path(path).stat().st_size
        with open(path, "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
                raise ValueError(f"a header of {length} bytes in a file of {size}")
            header: dict[str, Any] = json.loads(stream.read(length))
        metadata = header.pop("__metadata__", {})
        data = np.asarray(np.memmap(path, np.uint8, mode="r"))[8 + length :]
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        if end != len(data):
            raise ValueError(f"{len(data)} bytes of data, its header says {end}")
        return metadata, {name: _view(data, entry) for name, entry in header.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: truncated, or not a shard ({error}). Delete it and make it again.") from error


def _view(data: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    start, end = entry["data_offsets"]
    return data[start:end].view(_TYPES[entry["dtype"]]).reshape(entry["shape"])
