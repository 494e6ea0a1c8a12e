"""Write EXIF blocks and the containers around them, byte by byte, independently of the reader under test."""

from __future__ import annotations

import struct
import zlib

SHORT, LONG, RATIONAL, ASCII = 3, 4, 5, 2


def block(
    first: dict[int, tuple[int, object]], sub: dict[int, tuple[int, object]] | None = None, order: str = "<"
) -> bytes:
    """A TIFF structure with directory `first` and, behind tag 0x8769, directory `sub`."""
    start = 8
    entries = dict(first)
    if sub:
        entries[0x8769] = (LONG, 0)
    body = _directory(entries, start, order)
    if sub:
        entries[0x8769] = (LONG, start + len(body))
        body = _directory(entries, start, order)
        body += _directory(sub, start + len(body), order)
    return (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, start) + body


def _directory(entries: dict[int, tuple[int, object]], start: int, order: str) -> bytes:
    head, tail = struct.pack(order + "H", len(entries)), b""
    tail_start = start + 2 + 12 * len(entries) + 4
    for tag, (kind, value) in sorted(entries.items()):
        raw, count = _value(kind, value, order)
        if len(raw) > 4:
            field = struct.pack(order + "I", tail_start + len(tail))
            tail += raw
        else:
            field = raw.ljust(4, b"\0")
        head += struct.pack(order + "HHI", tag, kind, count) + field
    return head + struct.pack(order + "I", 0) + tail


def _value(kind: int, value: object, order: str) -> tuple[bytes, int]:
    if kind == ASCII:
        text = str(value).encode() + b"\0"
        return text, len(text)
    if kind == RATIONAL:
        return struct.pack(order + "II", *value), 1  # type: ignore[misc]
    return struct.pack(order + {SHORT: "H", LONG: "I"}[kind], value), 1


def into_jpeg(jpeg: bytes, exif: bytes) -> bytes:
    """Insert an APP1 segment right after the start marker."""
    body = b"Exif\0\0" + exif
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def into_png(png: bytes, exif: bytes) -> bytes:
    """Insert an eXIf chunk right after IHDR."""
    after = 8 + 12 + 13
    chunk = struct.pack(">I", len(exif)) + b"eXIf" + exif + struct.pack(">I", zlib.crc32(b"eXIf" + exif))
    return png[:after] + chunk + png[after:]
