"""metricpose predict: photographs in, result files and pictures out."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import tyro

if TYPE_CHECKING:
    from metricpose.predict.api import PoseModel
    from metricpose.types import People

FORMATS = ("json", "npz", "csv", "overlay", "sheet", "view")
_SUMMARY = "summary"


class Outcome(NamedTuple):
    """What became of one image: its result and the files written, or why not."""

    image: Path
    people: People | None
    files: list[Path]
    error: str


def run(
    source: Annotated[str, tyro.conf.arg(metavar="SOURCE")],
    *,
    out: Path = Path("out") / "predict",
    camera: Path | None = None,
    fov: str | None = None,
    boxes: Path | None = None,
    detector: Path | None = None,
    threshold: float = 0.3,
    skeleton: str | None = None,
    tta: int | Literal["margipose-5", "margipose-10"] = 1,
    formats: str = "json,npz,csv,overlay,sheet",
    model: str | None = None,
    device: str | None = None,
    batch_size: int = 32,
    up: tuple[float, float, float] | None = None,
    offline: bool = False,
    view: bool = False,
) -> int:
    """3D poses of the people in photographs.

    Writes for each image NAME.json, NAME.npz and NAME.csv (self-describing results), NAME_overlay.jpg and
    NAME_sheet.png, and one summary.json for all. An image that cannot be used is reported and the others go on; the
    exit code is then 1.

    Args:
        source: image file, folder, or quoted pattern such as "shots/*.jpg".
        out: folder for the results.
        camera: JSON file with K, size, and optionally distortion, R, t (for the upright image).
        fov: field of view along the longer side in degrees, or auto to estimate it from the people; default EXIF,
            else 55.
        boxes: JSON file with the people's boxes per image: by file name, or with as many of its folders as tell images
            apart, such as cam1/0001.jpg.
        detector: person detector: a YOLOX .onnx file, or a folder with a transformers model.
        threshold: least score of a detected person.
        skeleton: joints of the results, such as h36m_17 or coco_17; default the network's own.
        tta: views averaged per person; 1 is fastest, 5 usual for quality; or the shifted crops of MargiPose.
        formats: comma-separated, of json, npz, csv, overlay, sheet, view (an interactive page).
        model: name of a bundled model, or a model file.
        device: cpu, cuda, mps; default CUDA if there is any.
        batch_size: crops in one network pass.
        up: direction that points up in the world of a camera with R and t; default the picture's top.
        offline: never use the network.
        view: also write the interactive page and open the first one in a browser.
    """
    from metricpose.formats.camera_file import read_camera
    from metricpose.predict.api import load
    from metricpose.predict.boxes import read_boxes
    from metricpose.predict.detect import open_detector
    from metricpose.predict.images import find_images

    kinds = _kinds(formats, view)
    images = find_images(source)
    options: dict[str, Any] = {
        "camera": read_camera(camera) if camera else None,
        "fov_deg": _fov(fov),
        "detector": open_detector(detector, threshold) if detector else None,
        "skeleton": skeleton,
        "tta": tta,
        "batch_size": batch_size,
        "up": up,
    }
    given = boxes_of(images, read_boxes(boxes)) if boxes else None
    loaded = load(model, device, offline)
    _prepare(out)
    outcomes = []
    with _progress(len(images)) as advance:
        for image, name in zip(images, output_names(images)):
            outcomes.append(_one(loaded, image, out / name, kinds, given, options))
            advance()
    _write_summary(outcomes, out)
    _show_table(outcomes, out)
    if view:
        _open_first(outcomes)
    return 1 if any(o.error for o in outcomes) else 0


def output_names(images: list[Path]) -> list[str]:
    """File names without suffix for the results; images that differ only in suffix or folder keep apart.

    None of them is that of the summary.
    """
    stems = [image.stem for image in images]
    taken = [s for s in stems if stems.count(s) > 1 or s.lower() == _SUMMARY]
    names = [s if s not in taken else f"{i.stem}_{i.suffix[1:].lower()}" for s, i in zip(stems, images)]
    return [n if names.count(n) == 1 else f"{n}_{k}" for k, n in enumerate(names)]


def boxes_of(images: list[Path], given: dict[str, Any]) -> dict[Path, Any]:
    """The entry of each image: the one that names most of its path. Images without an entry are left out.

    Raises:
        InputError: one entry fits several images.
    """
    from metricpose.errors import InputError

    owners: dict[str, Path] = {}
    for image in images:
        parts = image.parts
        names = [image.as_posix(), *("/".join(parts[i:]) for i in range(len(parts)))]
        key = next((name for name in names if name in given), None)
        if key is not None and key in owners:
            raise InputError(
                f"the boxes file's entry '{key}' fits both {owners[key]} and {image}; expected entries that tell them "
                f"apart, such as '{'/'.join(parts[-2:])}'"
            )
        if key is not None:
            owners[key] = image
    return {image: given[key] for key, image in owners.items()}


def _prepare(out: Path) -> None:
    """Find out before the work, not after it, that nothing can be written."""
    from metricpose.errors import DataError

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot create the folder {out}: {error.strerror or error}; choose another --out") from error
    if not os.access(out, os.W_OK):
        raise DataError(f"folder {out} is not writable; choose another --out")


def _kinds(formats: str, view: bool) -> list[str]:
    from metricpose.errors import InputError

    kinds = [f.strip() for f in formats.split(",") if f.strip()]
    unknown = [k for k in kinds if k not in FORMATS]
    if unknown or not kinds:
        raise InputError(
            f"formats: unknown {', '.join(unknown) or '(none given)'}; expected some of {', '.join(FORMATS)}"
        )
    return [*kinds, "view"] if view and "view" not in kinds else kinds


def _fov(value: str | None) -> float | str | None:
    from metricpose.errors import InputError

    if value is None or value == "auto":
        return value
    try:
        return float(value)
    except ValueError as error:
        raise InputError(f"--fov: expected degrees or 'auto', got '{value}'") from error


def _one(
    model: PoseModel, image: Path, stem: Path, kinds: list[str], boxes: dict[Path, Any] | None, options: dict[str, Any]
) -> Outcome:
    """Predict and write; whatever is wrong with this image is kept with it."""
    from metricpose.errors import InputError, MetricposeError
    from metricpose.predict.images import read_photo

    try:
        photo = read_photo(image)
        if boxes is not None and image not in boxes:
            raise InputError(f"the boxes file has no entry for {image.name}")
        people = model.predict(photo, boxes=boxes[image] if boxes is not None else None, **options)
        return Outcome(image, people, _write(people, photo.image, stem, kinds), "")
    except MetricposeError as error:
        return Outcome(image, None, [], str(error))
    except Exception as error:  # one image must never take the others down with it
        return Outcome(image, None, [], f"{image}: unexpected {type(error).__name__}: {error}; please report this")


def _write(people: People, pixels: Any, stem: Path, kinds: list[str]) -> list[Path]:
    from metricpose.formats import save
    from metricpose.formats.picture_file import write_picture
    from metricpose.vis.overlay import draw_overlay
    from metricpose.vis.page import write_page
    from metricpose.vis.sheet import draw_sheet

    makers: dict[str, tuple[str, Callable[[Path], None]]] = {
        "json": (".json", lambda path: save(people, path)),
        "npz": (".npz", lambda path: save(people, path)),
        "csv": (".csv", lambda path: save(people, path)),
        "overlay": ("_overlay.jpg", lambda path: write_picture(draw_overlay(pixels, people), path)),
        "sheet": ("_sheet.png", lambda path: write_picture(draw_sheet(pixels, people, stem.name), path)),
        "view": ("_view.html", lambda path: write_page(pixels, people, path, stem.name)),
    }
    files = []
    for kind in kinds:
        ending, make = makers[kind]
        files.append(stem.with_name(stem.name + ending))
        make(files[-1])
    return files


def _write_summary(outcomes: list[Outcome], out: Path) -> None:
    from metricpose.files import atomic_path

    rows = [
        {
            "image": str(o.image),
            "error": o.error or None,
            "people": None if o.people is None else len(o.people),
            "files": [f.name for f in o.files],
            "warnings": [] if o.people is None else o.people.info["warnings"],
        }
        for o in outcomes
    ]
    with atomic_path(out / f"{_SUMMARY}.json") as path:
        path.write_text(json.dumps(rows, indent=1), encoding="utf8")


def _show_table(outcomes: list[Outcome], out: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from metricpose.vis.overlay import distances_m

    table = Table(title=f"{len(outcomes)} images, results in {escape(str(out))}", title_justify="left")
    for column in ("image", "people", "distance", "boxes", "focal length"):
        table.add_column(column, overflow="fold")
    failed = [o for o in outcomes if o.error]
    for o in outcomes:
        if o.people is None:
            table.add_row(escape(o.image.name), "failed", "", "", "", style="red")
            continue
        metres = ", ".join(f"{d:.2f} m" for d in distances_m(o.people)[:6]) + (" ..." if len(o.people) > 6 else "")
        info = o.people.info
        source = f"{o.people.camera.K[0, 0]:.0f} px, {info['camera_origin']}"
        table.add_row(escape(o.image.name), str(len(o.people)), metres, info["box_source"].split()[0], escape(source))
    console = Console()
    console.print(table)
    for warning, count in _counted(outcomes).items():
        console.print(f"note ({count} x): {escape(warning)}", highlight=False)
    for o in failed:
        console.print(f"[red]failed:[/red] {escape(o.error)}", highlight=False)


def _counted(outcomes: list[Outcome]) -> dict[str, int]:
    """Warnings of all images, each once; the dropped detections of all together are one."""
    counts: dict[str, int] = {}
    for o in outcomes:
        for warning in o.people.info["warnings"] if o.people is not None else []:
            dropped = warning.startswith("detection ")
            text = "detections dropped as implausible or double; summary.json says why" if dropped else warning
            counts[text] = counts.get(text, 0) + 1
    return counts


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error, only where a person watches."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=total < 2 or not console.is_terminal) as bar:
        task = bar.add_task("images", total=total)
        yield lambda: bar.advance(task)


def _open_first(outcomes: list[Outcome]) -> None:
    import webbrowser

    pages = [f for o in outcomes for f in o.files if f.name.endswith("_view.html")]
    if pages:
        webbrowser.open(pages[0].resolve().as_uri())
