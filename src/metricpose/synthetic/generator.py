"""Synthetic people as labelled samples: a pure function of (seed, split, index)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_serializer

from metricpose.geometry.camera import Camera
from metricpose.synthetic.body import Body, read_archive
from metricpose.synthetic.camera_sampler import STUDIO_HEIGHT
from metricpose.synthetic.person import Cast
from metricpose.synthetic.pictures import load_pictures
from metricpose.synthetic.poses import PoseLibrary
from metricpose.synthetic.procedural import family_shares
from metricpose.synthetic.scene import Stage, try_scene
from metricpose.synthetic.wardrobe import load_wardrobe
from metricpose.types import Record

Split = Literal["train", "val", "test"]
_SPLIT_CODE = {"train": 0, "val": 1, "test": 2}
_MAX_TRIES = 50


class SyntheticConfig(BaseModel):
    """What to render. Probabilities are shares of images.

    Attributes:
        size: side of the square image, pixels. supersample: samples along a pixel's side.
        split: train uses other bodies, clothes, poses and photographs than val and test.
        seed: of the whole sequence. assets: folder with people.npz, poses.npz, backgrounds/, textures/; None: what
            comes with the package (painted clothes, procedural poses and rooms).
        photo, room, outdoors: shares of backgrounds, at most 1 together, the rest abstract. Where no photograph fits, a
            room stands in.
        studio: share of the rooms that are motion-capture studios, with their cameras and clothes.
        studio_height: lowest and highest camera of a studio, metres.
        recorded: share of recorded poses. garments: share of people in garment meshes, where the assets have them.
        pose_shares: shares of procedural pose families (`procedural.FAMILIES`) to change, such as {"lie": 0.1}.
        second_person, held_object, clutter: chances per image (clutter: mean number of pieces). occluder: something
            between camera and person.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=256, ge=32, le=1024)
    supersample: int = Field(default=2, ge=1, le=4)
    split: Split = "train"
    seed: int = Field(default=0, ge=0)
    assets: Path | None = None
    photo: float = Field(default=0.44, ge=0, le=1)
    room: float = Field(default=0.36, ge=0, le=1)
    outdoors: float = Field(default=0.12, ge=0, le=1, validate_default=True)
    studio: float = Field(default=0.35, ge=0, le=1)
    studio_height: tuple[float, float] = STUDIO_HEIGHT
    recorded: float = Field(default=0.45, ge=0, le=1)
    garments: float = Field(default=0.78, ge=0, le=1)
    pose_shares: dict[str, float] = Field(default_factory=dict)
    second_person: float = Field(default=0.17, ge=0, le=1)
    held_object: float = Field(default=0.22, ge=0, le=1)
    clutter: float = Field(default=0.9, ge=0, le=5)
    occluder: float = Field(default=0.10, ge=0, le=1)

    @field_validator("studio_height")
    @classmethod
    def _in_order(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1] <= 10:
            raise ValueError(f"expected the lowest and the highest height in metres, such as [1.2, 1.8], got {value}")
        return value

    @field_validator("outdoors")
    @classmethod
    def _leaves_no_share_out(cls, value: float, info: Any) -> float:
        if "photo" in info.data and "room" in info.data:
            photo, room = info.data["photo"], info.data["room"]
            total = photo + room + value
            if total > 1 + 1e-9:
                sums = f"{photo:g} + {room:g} + {value:g} = {total:g}"
                raise ValueError(f"expected photo + room + outdoors of at most 1, got {sums}; set all three")
        return value

    @field_validator("pose_shares")
    @classmethod
    def _are_shares(cls, value: dict[str, float]) -> dict[str, float]:
        if not all(np.isfinite(share) and share >= 0 for share in value.values()):
            raise ValueError(f"expected finite shares of 0 or more, such as {{lie: 0.1}}, got {value}")
        return value

    @model_serializer(mode="wrap")
    def _younger_settings_only_where_set(self, serialize: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Without `studio_height` at its default: hashes of settings are printed beside results that are older."""
        values = serialize(self)
        if self.studio_height == STUDIO_HEIGHT:
            values.pop("studio_height", None)
        return values


@dataclass(frozen=True, eq=False)
class SyntheticSample:
    """One rendered person with exact labels.

    Attributes:
        image: (s, s, 3) uint8 RGB.
        alpha: (s, s) uint8 coverage by the main person and what they hold, sit on or are covered by.
        foreground: (s, s, 3) uint8 straight colour under all coverage, for other backgrounds.
        K: (3, 3) of the image. R, t: world -> camera, world z up, millimetres.
        full_camera: the camera whose 1280 x 960 frame the image is cut from.
        joints_mm: (25, 3) METRICPOSE_25 in the camera frame. joints_px: (25, 2).
        visibility: (25,) as in `types.Record`. box_xywh: (4,) of the whole person, occluded parts included.
        info: age_years, height_mm, gender, pose, background, distance_mm, outfit, seed, split, index.
    """

    image: UInt8[np.ndarray, "s s 3"]
    alpha: UInt8[np.ndarray, "s s"]
    foreground: UInt8[np.ndarray, "s s 3"]
    K: Float[np.ndarray, "3 3"]
    R: Float[np.ndarray, "3 3"]
    t: Float[np.ndarray, " 3"]
    full_camera: Camera
    joints_mm: Float[np.ndarray, "25 3"]
    joints_px: Float[np.ndarray, "25 2"]
    visibility: UInt8[np.ndarray, " 25"]
    box_xywh: Float[np.ndarray, " 4"]
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def camera(self) -> Camera:
        """Camera of `image`."""
        size = (self.image.shape[1], self.image.shape[0])
        return Camera(self.K, size, R=self.R, t=self.t)


class Generator:
    """Renders scenes. Loading takes a second; it holds no state between scenes, so any order gives the same images."""

    def __init__(self, config: SyntheticConfig) -> None:
        self.config = config
        assets, split = config.assets, config.split
        file = read_archive(assets / "people.npz" if assets else None)
        body = Body(file)
        poses = None
        if assets is not None and (assets / "poses.npz").exists():
            poses = PoseLibrary.load(assets / "poses.npz", "train" if split == "train" else "test")
        wardrobe, families = load_wardrobe(body, file, split), family_shares(config.pose_shares)
        cast = Cast(body, wardrobe, poses, split, config.recorded, config.garments, families)
        self.stage = Stage(cast, load_pictures(assets, split), **_stage_options(config))

    def scene(self, index: int) -> SyntheticSample:
        """The sample of this index, the same whenever and wherever it is asked for."""
        rng = np.random.default_rng([self.config.seed, _SPLIT_CODE[self.config.split], index])
        for _ in range(_MAX_TRIES):
            made = try_scene(rng, self.stage)
            if made is not None:
                origin = {"seed": self.config.seed, "split": self.config.split, "index": index}
                values = {**made, "info": {**made["info"], **origin}}
                return SyntheticSample(**values)
        raise RuntimeError(f"synthetic scene {index}: {_MAX_TRIES} draws in a row were hidden; this cannot be chance")


def _stage_options(config: SyntheticConfig) -> dict[str, Any]:
    names = ("size", "supersample", "photo", "room", "outdoors", "studio", "studio_height", "second_person",
             "held_object", "clutter", "occluder")  # fmt: skip
    return {name: getattr(config, name) for name in names}


def to_record(sample: SyntheticSample) -> Record:
    """The sample as the training pipeline takes it."""
    return Record(
        image=sample.image, camera=sample.camera, box_xywh=sample.box_xywh, joints_mm=sample.joints_mm,
        joints_px=sample.joints_px, visibility=sample.visibility, skeleton="metricpose_25", alpha=sample.alpha,
        info=sample.info,
    )  # fmt: skip
