"""Speed of reading training data on one core: shards beside the source files, and the opening of a very long index.

    python bench/shards.py --count 2000 --out shards.json

Made-up photographs of 1280 x 720 with a person's box, JPEG, are read in four ways: crops of 256 pixels stored in
shards, decoded (`ShardFolder`); network samples made of shards of `data prepare`'s default size; network samples made
of the source files; and the source files read and decoded alone. Times are CPU time of this process (other processes
may share the core); the rate is that of the best repeat. Files lie in the page cache.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from metricpose.data.mixing import Phase, Stream
from metricpose.data.pictures import read_image
from metricpose.data.pipeline import make_sample
from metricpose.data.shards import ShardFolder, shard_path, write_shard
from metricpose.data.storage import FORMAT, INDEX, write_index
from metricpose.data.window import cut_window
from metricpose.files import atomic_path
from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog
from metricpose.types import VISIBLE, Record

SIZE, PER_SHARD, SIDE = (1280, 720), 256, 256


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1024, help="people")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--records", type=int, default=10_000_000, help="length of the index that is opened")
    parser.add_argument("--out", type=Path, help="JSON file; printed to the screen as well")
    return parser.parse_args(argv)


def photograph(index: int) -> np.ndarray:
    """Soft shapes under fine grain: as hard to compress as an ordinary photograph."""
    rng = np.random.default_rng(index)
    image = cv2.resize(rng.integers(0, 256, (36, 64, 3), dtype=np.uint8), SIZE, interpolation=cv2.INTER_CUBIC)
    grain = cv2.resize(rng.normal(0, 22, (SIZE[1] // 2, SIZE[0] // 2, 3)).astype(np.float32), SIZE)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def person(image: np.ndarray, index: int) -> Record:
    rng = np.random.default_rng(index)
    camera = Camera(np.array([[1150.0, 0, 640], [0, 1150, 360], [0, 0, 1]]), SIZE, np.array([-0.2, 0.1, 0, 0, 0]))
    joints = rng.normal((rng.uniform(-700, 700), 0, 4300), (180, 400, 150), (17, 3))
    pixels = camera.project_camera(joints)
    box = np.concatenate([pixels.min(0), np.ptp(pixels, axis=0)])
    return Record(
        image, camera, box, joints, pixels, np.full(17, VISIBLE, np.uint8), "h36m_17", info={"id": str(index)}
    )


def as_crop(record: Record) -> Record:
    """A record whose image is a crop of SIDE x SIDE pixels."""
    camera = record.camera.crop(300, 0, 720, 720).resize(SIDE, SIDE)
    image = cv2.resize(record.image[:720, 300:1020], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    box, nothing = np.array([10.0, 10, 200, 200]), camera.project_camera(record.joints_mm)
    return Record(image, camera, box, record.joints_mm, nothing, record.visibility, "h36m_17", info=record.info)


def write_files(folder: Path, count: int) -> list[Record]:
    """Photographs, shards of crops and shards of windows; returns the records without much of an image each."""
    records, windows, crops = [], [], []
    for index in range(count):
        path = folder / "files" / f"{index:06d}.jpg"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), photograph(index % 64), [cv2.IMWRITE_JPEG_QUALITY, 92])
        record = person(read_image(path), index)
        windows.append(cut_window(record))
        crops.append(as_crop(record))
        records.append(
            record.__class__(**{**record.__dict__, "image": np.broadcast_to(np.uint8(0), record.image.shape)})
        )
    for name, made in (("windows", windows), ("crops", crops)):
        starts = range(0, count, PER_SHARD)
        for number, start in enumerate(starts):
            write_shard(shard_path(folder / name, number), made[start : start + PER_SHARD])
        write_index(folder / name, [len(made[start : start + PER_SHARD]) for start in starts])
    return records


def rate(work: Callable[[int], Any], count: int, repeats: int) -> float:
    order = np.random.default_rng(0).permutation(count).tolist()
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        for index in order:
            work(index)
        best = min(best, time.process_time() - start)
    return round(count / best, 1)


def reading(folder: Path, count: int, repeats: int) -> dict[str, Any]:
    records, skeleton = write_files(folder, count), catalog.METRICPOSE_25
    crops, windows = ShardFolder(folder / "crops"), ShardFolder(folder / "windows")
    files = [folder / "files" / f"{index:06d}.jpg" for index in range(count)]

    def from_file(index: int) -> Any:
        record = records[index]
        return make_sample(record.__class__(**{**record.__dict__, "image": read_image(files[index])}), SIDE, skeleton)

    sizes = {name: sum(p.stat().st_size for p in (folder / name).iterdir()) for name in ("files", "windows", "crops")}
    return {
        "crops_decoded_per_second": rate(crops.__getitem__, count, repeats),
        "samples_from_prepared_shards_per_second": rate(
            lambda i: make_sample(windows[i], SIDE, skeleton), count, repeats
        ),
        "samples_from_source_files_per_second": rate(from_file, count, repeats),
        "source_files_decoded_per_second": rate(lambda i: read_image(files[i]), count, repeats),
        "kilobytes_per_person": {name: round(size / count / 1e3, 1) for name, size in sizes.items()},
    }


def opening(folder: Path, records: int) -> dict[str, Any]:
    """Time and memory to open a folder of `records` records by its index, and to draw batches of its shuffled order."""
    shards = -(-records // 512)
    folder.mkdir()
    entries = [[512, 40_000_000, f"{number:064x}"] for number in range(shards)]
    (folder / INDEX).write_text(json.dumps({"format": FORMAT, "shards": entries}))
    Stream(0, (64,), [[Phase(0, 100)]]).batch(0)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    source = ShardFolder(folder)
    opened = time.perf_counter() - start
    stream = Stream(0, (64,), [[Phase(0, len(source))]])
    for step in range(0, len(source) // 64, len(source) // 64 // 20):
        stream.batch(step)
    return {
        "records": len(source),
        "seconds_to_open": round(opened, 3),
        "seconds_to_open_and_draw_20_batches": round(time.perf_counter() - start, 3),
        "megabytes": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, 1),
    }


def commit() -> str:
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        opened = opening(Path(name) / "long", arguments.records)
        read = reading(Path(name), arguments.count, arguments.repeats)
    facts = {"machine": platform.processor() or platform.machine(), "python": platform.python_version()}
    versions = {"numpy": np.__version__, "opencv": cv2.__version__, "commit": commit()}
    return {**read, "index": opened, "count": arguments.count, **facts, **versions}


def main(argv: list[str]) -> None:
    arguments = parse_arguments(argv)
    cv2.setNumThreads(1)
    report = json.dumps(measure(arguments), indent=2)
    print(report)
    if arguments.out:
        with atomic_path(arguments.out) as path:
            path.write_text(report + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
