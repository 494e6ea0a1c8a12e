"""The data sets that can be read, by their name on the command line; `contract` says what a reader is."""

from metricpose.data.readers import (
    h36m,
    h36m_fetch,
    h36m_frames,
    h36m_moon,
    humaneva,
    mpi_inf_3dhp,
    muco,
    muco_matlab,
    mupots,
    own,
    shards,
)
from metricpose.data.readers.contract import Reader
from metricpose.errors import InputError

READERS: dict[str, Reader] = {
    reader.about.name: reader
    for reader in (
        h36m.READER,
        h36m_frames.READER,
        h36m_fetch.READER,
        h36m_moon.READER,
        humaneva.READER,
        mpi_inf_3dhp.READER,
        muco.READER,
        muco_matlab.READER,
        mupots.READER,
        own.READER,
        shards.READER,
    )
}  # fmt: skip


def get(name: str) -> Reader:
    """The reader of this name.

    Raises:
        InputError: no such data set; the message lists those there are.
    """
    if name not in READERS:
        raise InputError(f"unknown data set '{name}'; known: {', '.join(READERS)} (metricpose data list)")
    return READERS[name]
