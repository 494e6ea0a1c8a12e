"""The data sets that can be read, by their name on the command line; `contract` says what a reader is."""

from metricpose.data.readers import (
    coco,
    h36m,
    h36m_fetch,
    h36m_frames,
    h36m_moon,
    humaneva,
    lsp,
    lsp_extended,
    mpi_inf_3dhp,
    mpii,
    mpii_bones,
    mpii_json,
    muco,
    muco_matlab,
    mupots,
    ordinal_depth,
    own,
    panoptic,
    shards,
    threedpw,
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
        coco.READER,
        mpii.READER,
        mpii_json.READER,
        mpii_bones.READER,
        lsp.READER,
        lsp_extended.READER,
        threedpw.READER,
        panoptic.READER,
        ordinal_depth.READER,
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
