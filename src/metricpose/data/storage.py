"""Where the files of a folder of shards come from: a local folder, or object storage through fsspec and a local cache.

``s3://bucket/folder``, ``gs://...``, ``https://...`` and whatever else fsspec knows (torch depends on it; the package
for a kind of storage, such as s3fs, does not come with it). A remote folder must hold `index.json`, which `prepare` and
`write_index` write: it names each shard's length and hash, so that nothing has to be listed or opened to know what is
there, and what is fetched can be checked.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import fsspec

from metricpose.data.faults import fault
from metricpose.errors import DataError
from metricpose.files import atomic_path, sha256

INDEX = "index.json"
FORMAT = "metricpose-index-1"
CACHE_VARIABLE, BUDGET_VARIABLE = "METRICPOSE_SHARD_CACHE", "METRICPOSE_SHARD_CACHE_GB"


class Entry(NamedTuple):
    """A shard in the index: number of records, bytes and SHA-256 of the file."""

    records: int
    bytes: int
    sha256: str


def shard_name(number: int) -> str:
    """File name of shard `number`."""
    return f"shard-{number:06d}.safetensors"


class LocalFolder:
    """Files of a folder of this machine."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def find(self, name: str) -> Path | None:
        """The file, or None if there is none."""
        path = self.folder / name
        return path if path.exists() else None

    def shard(self, number: int, entry: Entry | None) -> Path | None:
        """Path of a shard, or None if there is none."""
        return self.find(shard_name(number))


class RemoteFolder:
    """Files fetched to a cache on this machine when they are first needed.

    Args:
        url: such as ``s3://bucket/folder``.
        cache: folder of the copies; $METRICPOSE_SHARD_CACHE, else ~/.cache/metricpose/shards.
        budget_bytes: the oldest copies beyond it are deleted; $METRICPOSE_SHARD_CACHE_GB in units of 1e9, else without
            limit.

    Raises:
        DataError: storage of an unknown kind, or its package is not installed.
    """

    def __init__(self, url: str, cache: Path | None = None, budget_bytes: float | None = None) -> None:
        self.url = url.rstrip("/")
        try:
            self._storage, self._root = fsspec.core.url_to_fs(self.url)
        except (ValueError, ImportError) as error:
            raise DataError(f"{url}: {error}") from error
        home = Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "metricpose" / "shards")
        self._cache = (cache or home) / hashlib.sha256(self.url.encode()).hexdigest()[:16]
        gigabytes = os.environ.get(BUDGET_VARIABLE)
        self._budget = budget_bytes or (float(gigabytes) * 1e9 if gigabytes else None)

    def find(self, name: str) -> Path | None:
        """A fresh copy of a file, or None if there is none."""
        try:
            there = self._storage.exists(f"{self._root}/{name}")
        except Exception as error:  # every kind of storage has errors of its own
            raise DataError(f"{self.url} cannot be reached: {type(error).__name__}: {error}") from error
        return self._fetch(name, self._cache / name) if there else None

    def shard(self, number: int, entry: Entry | None) -> Path | None:
        """Path of a shard's copy; fetched, and checked against the index, if it is not there."""
        if entry is None:  # what the index does not name is not there
            return None
        path = self._cache / f"{entry.sha256[:16]}-{shard_name(number)}"
        if not path.exists():
            self._make_room(entry.bytes)
            self._fetch(shard_name(number), path, entry)
        return path

    def _fetch(self, name: str, target: Path, entry: Entry | None = None) -> Path:
        with atomic_path(target) as temporary:
            try:
                self._storage.get_file(f"{self._root}/{name}", str(temporary))
            except Exception as error:  # every kind of storage has errors of its own
                raise DataError(f"{self.url}/{name} cannot be fetched: {type(error).__name__}: {error}") from error
            if entry is not None and sha256(temporary) != entry.sha256:
                raise fault(f"{self.url}/{name}", "the file the index describes", "another", "Upload it again.")
        return target

    def _make_room(self, wanted: int) -> None:
        if self._budget is None or not self._cache.is_dir():
            return
        copies = [(p.stat().st_mtime, p.stat().st_size, p) for p in self._cache.glob("*-shard-*.safetensors")]
        held = sum(size for _, size, _ in copies)
        for _, size, path in sorted(copies):
            if held + wanted <= self._budget:
                break
            path.unlink(missing_ok=True)  # who has it mapped keeps it until done
            held -= size


def open_storage(folder: str | Path) -> LocalFolder | RemoteFolder:
    """A local folder, or object storage if the text is a URL."""
    return RemoteFolder(str(folder)) if "://" in str(folder) else LocalFolder(folder)


def write_index(folder: str | Path, records: list[int]) -> None:
    """Write `index.json` for the first shards of a folder, whose numbers of records these are."""
    entries = []
    for number, count in enumerate(records):
        path = Path(folder) / shard_name(number)
        entries.append([count, path.stat().st_size, sha256(path)])
    with atomic_path(Path(folder) / INDEX) as temporary:
        temporary.write_text(json.dumps({"format": FORMAT, "shards": entries}), encoding="utf8")


def read_index(storage: LocalFolder | RemoteFolder) -> list[Entry]:
    """The shards that a folder's index names; none if it has no index.

    Raises:
        DataError: damaged, or of another format.
    """
    path = storage.find(INDEX)
    if path is None:
        return []
    try:
        top: dict[str, Any] = json.loads(path.read_text(encoding="utf8"))
        if top["format"] != FORMAT:
            raise ValueError(f"its format is {top['format']!r}")
        return [Entry(int(n), int(size), str(digest)) for n, size, digest in top["shards"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise fault(path, f"an index of format {FORMAT}", str(error), "Delete it; it is made again.") from error
