"""Walk the bytes of an image file: what format it is, whether it is whole, and where its EXIF block lies.

Decoders are forgiving: half a JPEG comes back as a picture with a grey lower half and no error. These few structural
checks catch that before a person is looked for in the grey.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_JPEG_STANDALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length: TEM, RST0-7, SOI
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis"}


class Container(NamedTuple):
    """What the bytes say about themselves.

    Attributes:
        kind: 'jpeg', 'png', 'webp', 'tiff', 'bmp', 'gif', 'heif' or '' where no known signature was found.
        problem: what is missing or damaged, in words; '' for a whole file.
        exif: the TIFF structure of the EXIF block, or b''.
    """

    kind: str
    problem: str = ""
    exif: bytes = b""


def inspect(data: bytes) -> Container:
    """Recognise the format by its signature and check that the file is whole."""
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    if data[:8] == _PNG_SIGNATURE:
        return _png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[:4] in (b"II*\0", b"MM\0*"):
        return Container("tiff", exif=data)
    if data[:2] == b"BM" and len(data) >= 14:
        whole = struct.unpack("<I", data[2:6])[0] <= len(data)
        return Container("bmp", "" if whole else "its header announces more bytes than the file has")
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return Container("gif", "" if data.rstrip(b"\0").endswith(b"\x3b") else "its end marker is missing")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return Container("heif")
    return Container("")


def _jpeg(data: bytes) -> Container:
    """Marker by marker to the end-of-image marker; thumbnails inside segments are skipped by the segment's length."""
    exif, at = b"", 2
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return Container("jpeg", "its end marker is missing", exif)
        marker = data[at + 1]
        if marker == 0xD9:
            return Container("jpeg", "", exif)
        if marker in (0x00, 0xFF) or marker in _JPEG_STANDALONE:  # stuffed byte, fill byte, or restart in the scan
            at += 1 if marker == 0xFF else 2
            continue
        if at + 4 > len(data):
            return Container("jpeg", "it ends inside a segment header", exif)
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        body = data[at + 4 : at + 2 + length]
        if marker == 0xE1 and body[:6] == b"Exif\0\0" and not exif:
            exif = body[6:]
        at += 2 + max(length, 2)


def _png(data: bytes) -> Container:
    exif = b""
    for name, body, whole in _png_chunks(data):
        if not whole:
            return Container("png", f"its {name.decode('ascii', 'replace')} chunk is cut off or damaged", exif)
        if name == b"eXIf":
            exif = body
        if name == b"IEND":
            return Container("png", "", exif)
    return Container("png", "its end chunk is missing", exif)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """(name, body, whether length and checksum fit) for each chunk."""
    at = 8
    while at + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        checksum = data[at + 8 + length : at + 12 + length]
        yield name, body, checksum == struct.pack(">I", zlib.crc32(name + body))
        at += 12 + length


def _webp(data: bytes) -> Container:
    end = 8 + struct.unpack("<I", data[4:8])[0]
    if end > len(data):
        return Container("webp", "its header announces more bytes than the file has")
    exif, at = b"", 12
    while at + 8 <= end:
        name, length = struct.unpack("<4sI", data[at : at + 8])
        if name == b"EXIF":
            exif = data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0")
        at += 8 + length + length % 2
    return Container("webp", "", exif)
