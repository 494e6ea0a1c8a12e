"""The records a protocol is measured on, each with an id, and a description of them that identifies the data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from metricpose.augment.truncation import truncate_box
from metricpose.data.labels import LABELS_NAME, LabelFile
from metricpose.data.mixing import Source
from metricpose.data.shards import Shard, ShardFolder, shard_path
from metricpose.data.synthetic import RenderedSource, Renderer
from metricpose.errors import DataError
from metricpose.evaluation.definition import Protocol
from metricpose.evaluation.predictions import NOT_STATED
from metricpose.evaluation.reader_source import describe, open_reader, shortfall
from metricpose.files import sha256
from metricpose.synthetic.generator import Generator, SyntheticConfig, to_record
from metricpose.types import Record

_ASSETS = "people.npz"


@dataclass(frozen=True)
class Items:
    """Records in order.

    Attributes:
        source: where they come from; one per image.
        data: description with a hash.
        count: images taken, from the first on.
        boxes: records made of each image.
        seed: of random boxes; None leaves the boxes alone.
        recording_facts, action_fact: as in Protocol.
        crowded: whether several records share an image, as their ids ``IMAGE/PERSON`` say.
        part: which part of the data was taken, "" for all of it.
        rows: places of the images in all of the data; None where these are the first ones.
        split: which split these people are of, as far as the data says.
    """

    source: Source
    data: str
    count: int
    boxes: int = 1
    seed: int | None = None
    recording_facts: tuple[str, ...] = ()
    action_fact: str = "action"
    crowded: bool = False
    part: str = ""
    rows: Int[np.ndarray, " n"] | None = None
    split: str = NOT_STATED

    def __len__(self) -> int:
        return self.count * self.boxes

    def __iter__(self) -> Iterator[Record]:
        for index in range(self.count):
            record = self.source[index]
            name = str(record.info.get("id", f"{index:06d}"))
            for part in range(self.boxes):
                yield self._item(record, name, index if self.rows is None else int(self.rows[index]), part)

    def _item(self, record: Record, name: str, index: int, part: int) -> Record:
        info = {**record.info, **self._tags(record.info), "id": name, "image": self._image(record, name)}
        if self.seed is None:
            return replace(record, info=info)
        # One generator per box: a box depends on the seed, image and number alone, not on how many are evaluated.
        box = truncate_box(np.asarray(record.box_xywh), np.random.default_rng([self.seed, index, part]))
        return replace(record, box_xywh=box, info={**info, "id": f"{name}#{part}"})

    def _image(self, record: Record, name: str) -> str:
        if self.recording_facts:  # ids of data sets do not hold paths of this machine
            return name.rpartition("/")[0] if self.crowded else name
        return str(record.info.get("file", name))

    def _tags(self, info: dict[str, Any]) -> dict[str, str]:
        named = [str(info[fact]) for fact in self.recording_facts if fact in info]
        whole = "/".join(named) if len(named) == len(self.recording_facts) > 0 else ""
        return {"recording": whole, "action": str(info.get(self.action_fact, ""))}


def open_items(
    protocol: Protocol,
    data: str | Path | None,
    count: int | None = None,
    *,
    reader: str | None = None,
    pictures: bool = True,
) -> Items:
    """The records of a protocol.

    Args:
        data: labels file or its folder; for synthetic protocols a folder of shards, a folder of rendering assets, or
            None to render with what comes with the package; for research data sets their folder as distributed.
        count: images; None takes the protocol's number.
        reader: of a research data set that several readers read.
        pictures: whether the pictures of a research data set are read; else its records have black ones.

    Raises:
        InputError: no such reader.
        DataError: nothing usable there, fewer records than asked for, or rendered people of the train split.
    """
    if protocol.data == "reader":
        return _of_reader(protocol, data, count, reader, pictures)
    split = protocol.split
    if protocol.data == "labels":
        source, description = _labels(data)
    elif data is not None and shard_path(data, 0).exists():
        source, description, split = _of_shards(protocol, Path(data), count)
    else:
        source, description = _rendered(protocol, Path(data) if data is not None else None)
    wanted = count if count is not None else protocol.count
    taken = len(source) if wanted is None else wanted
    if not 1 <= taken <= len(source):
        raise DataError(f"protocol {protocol.name}: asked for {taken} images, {data} holds {len(source)}; use --count")
    seed = protocol.seed if protocol.truncated else None
    return Items(source, f"{description}, first {taken}", taken, protocol.boxes, seed, split=split)


def _of_reader(
    protocol: Protocol, data: str | Path | None, count: int | None, reader: str | None, pictures: bool
) -> Items:
    if data is None:
        raise DataError(f"protocol {protocol.name} needs --data: the folder of {' or '.join(protocol.readers)}")
    source = open_reader(protocol, Path(data), reader=reader, count=count, pictures=pictures)
    part = f"{len(source)} of {len(source.items)} items, evenly" if count is not None else shortfall(source, protocol)
    return Items(
        source,
        describe(source),
        len(source),
        protocol.boxes,
        protocol.seed if protocol.truncated else None,
        recording_facts=protocol.recording_facts,
        action_fact=protocol.action_fact,
        crowded=protocol.matching_px is not None,
        part=part,
        rows=source.rows,
        split=protocol.split,
    )


def _labels(data: str | Path | None) -> tuple[Source, str]:
    if data is None:
        raise DataError(f"this protocol needs --data: a folder with {LABELS_NAME}, or such a file")
    labels = LabelFile(data)
    return labels, f"labels {sha256(labels.path)[:16]}"


def _of_shards(protocol: Protocol, folder: Path, count: int | None) -> tuple[Source, str, str]:
    """The people, a description with the hash of the files that hold the first of them, and their split."""
    shards = ShardFolder(folder)
    needed = min(len(shards), count or protocol.count or len(shards))
    used = _first_shards(folder, needed)
    splits = list(dict.fromkeys(_split_of(shard) for shard in used))
    if "train" in splits:
        raise DataError(
            f"{folder} holds rendered people of the train split; protocol {protocol.name} measures people that nothing "
            f"was trained on. Render some: metricpose synth render FOLDER {needed} --set split=test"
        )
    digest = hashlib.sha256("".join(sha256(shard.path) for shard in used).encode())
    return shards, f"shards {digest.hexdigest()[:16]}", " and ".join(splits)


def _first_shards(folder: Path, records: int) -> list[Shard]:
    """Those that hold the first records."""
    used: list[Shard] = []
    while sum(map(len, used)) < records:
        used.append(Shard(shard_path(folder, len(used))))
    return used


def _split_of(shard: Shard) -> str:
    """The split in the generator's settings, which `metricpose synth render` writes into every shard."""
    try:
        settings = json.loads(shard.metadata.get("generator", ""))
    except ValueError:
        return NOT_STATED
    return str(settings.get("split", NOT_STATED)) if isinstance(settings, dict) else NOT_STATED


def _rendered(protocol: Protocol, data: Path | None) -> tuple[Source, str]:
    if data is not None and not (data / _ASSETS).exists():
        raise DataError(
            f"{data} holds neither shards ({shard_path(data, 0).name}) nor rendering assets ({_ASSETS}); "
            "leave --data out to render with what comes with the package"
        )
    config = SyntheticConfig.model_validate({"split": protocol.split, "seed": protocol.seed, "assets": data})
    assets = sha256(data / _ASSETS)[:16] if data is not None else "of the package"
    settings = config.model_dump_json(exclude={"assets"})
    digest = hashlib.sha256(settings.encode()).hexdigest()[:16]
    source = RenderedSource(_MakeRenderer(config))
    return source, f"rendered, settings {digest}, assets {assets}, first scene {_fingerprint(source[0])}"


def _fingerprint(record: Record) -> str:
    """Tells scenes of another version of the renderer; in whole millimetres and pixels, the same on every machine."""
    labels = np.concatenate([np.ravel(record.joints_mm), np.ravel(record.box_xywh)])
    return hashlib.sha256(np.rint(labels).astype(np.int32).tobytes()).hexdigest()[:8]


@dataclass(frozen=True)
class _MakeRenderer:
    config: SyntheticConfig

    def __call__(self) -> Renderer:
        generator = Generator(self.config)
        return lambda index: to_record(generator.scene(index))
