"""Rendered people as each data set with 3D labels that the readers read: the official bytes, and the exact truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from unittest import mock

import numpy as np
from scipy.spatial.transform import Rotation

from data.scenes import look_at
from layouts import h36m, humaneva, mpi, muco, panoptic, threedpw
from layouts.actors import Actors, Excerpt, Truth, truth, world_joints
from metricpose.data.readers import h36m_layout, humaneva_layout, mpi_inf_3dhp_layout, mupots
from metricpose.data.readers.h36m_cameras import official_lens
from metricpose.data.readers.h36m_layout import CAMERAS
from metricpose.geometry.camera import Camera
from metricpose.synthetic.person import Person

FRAMES = 4
LENS = (-0.2, 0.12, 0.0008, -0.0012, 0.01)
_H36M = "h36m-s9s11-every64"
_SUBJECTS = (1, 9, 11)
_STEP = 2


def _cameras(count: int, size: tuple[int, int], lens: tuple[float, ...] = ()) -> list[Camera]:
    """Around the people, who stand whole in their pictures."""
    angles = 0.3 + 2 * np.pi * np.arange(count) / max(count, 3)
    far = 5600.0 if size[0] > size[1] else 4600.0
    return [
        look_at((far * np.cos(a), far * np.sin(a), 1300.0 + 100 * k), size=size, lens=lens)
        for k, a in enumerate(angles)
    ]


# -- Human3.6M -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Take(h36m.Take):
    people: tuple[Person, ...] = ()
    actors: Actors | None = None

    @property
    def world(self) -> np.ndarray:
        return np.stack([world_joints(p, "h36m_17") for p in self.people])

    def picture(self, eye: h36m.Eye, frame: int) -> np.ndarray:
        assert self.actors is not None
        plain = eye.pinhole
        lens = Camera(plain.K, eye.size, official_lens(*eye.k, *eye.p), plain.R, plain.t)
        return self.actors.photograph(lens, self.people[frame])


def _eyes() -> h36m.Eyes:
    found = {}
    for view, name in enumerate(CAMERAS):
        size = h36m_layout.picture_size("S1", name)
        camera = _cameras(4, size)[view]
        k, p = np.array([-0.2, 0.24, -0.004]), np.array([-0.0022, -0.0017])
        focal, centre = camera.K[[0, 1], [0, 1]] * 0.87, camera.K[:2, 2]
        for subject in range(1, 12):
            angles = Rotation.from_matrix(camera.R).as_euler("XYZ")
            found[subject, name] = h36m.Eye(angles, camera.position, focal, centre, k, p, size)
    return found


def _walking(subject: int) -> h36m_layout.Recording:
    return next(r for r in h36m_layout.recordings(subject) if r.action == "Walking")


@lru_cache(maxsize=1)
def _takes(actors: Actors) -> list[h36m.Take]:
    """They keep their pictures, which all layouts show."""
    eyes = _eyes()
    return [
        _Take(s, _walking(s).name, eyes, FRAMES, people=tuple(actors.walk(s, FRAMES)), actors=actors) for s in _SUBJECTS
    ]


def _h36m_truth(takes: list[h36m.Take], every: int) -> dict[str, dict[str, Truth]]:
    found: dict[str, dict[str, Truth]] = {"train": {}, "test": {}}
    for take in takes:
        split, step = ("train", 1) if take.subject == 1 else ("test", _STEP)
        for camera in take.views:
            eye, sequence = take.cameras[take.subject, camera], _walking(take.subject).sequence(camera)
            for frame in range(0, take.frames, max(step, every)):
                joints = take.world[frame]
                name = h36m_layout.item_id(sequence, frame)
                found[split][name] = Truth(eye.in_frame(joints), eye.project(joints))
    return found


def human36m(reader: str, actors: Actors, folder: Path) -> Excerpt:
    """All layouts of Human3.6M; the boxes are of the joints."""
    takes, every = _takes(actors), 1 if reader == "h36m" else _STEP
    number = h36m_layout.ACTIONS.index("Walking") + h36m_layout.FIRST_ACTION
    places = dict.fromkeys(_SUBJECTS, (number, 1, "Walking"))
    if reader == "h36m":
        h36m.write(folder, takes)
    elif reader == "h36m_frames":
        h36m.write(folder, takes, pictures="frames", boxes=False)
    elif reader == "h36m_fetch":
        h36m.write_fetch(folder / "processed", takes, places, every=every)
    else:
        h36m.write_moon(folder, takes, places, every=every)
        (folder / "metadata.xml").write_text(h36m.metadata(takes[0].cameras))
    note = f"one recording a subject; every {_STEP}nd frame for every 64th"
    return Excerpt(
        reader, folder, _h36m_truth(takes, every), test="test", protocols=(_H36M,), skeleton="h36m_17", note=note
    )


# -- HumanEva-I ------------------------------------------------------------------------------------------------------

_JOG = humaneva_layout.Recording("S2", "Jog", humaneva_layout.TRAIN, 2, 2 + FRAMES, (4, 3, 5))
_WALK = humaneva_layout.Recording("S1", "Walking", humaneva_layout.VALIDATE, 3, 3 + FRAMES, (1, 2, 1))


def human_eva(actors: Actors, folder: Path) -> Excerpt:
    """Official videos and calibrations with poses as MAT files."""
    found: dict[str, dict[str, Truth]] = {"train": {}, "validate": {}}
    poses = []
    for split, recording in (("train", _JOG), ("validate", _WALK)):
        people = actors.walk(int(recording.subject[1:]), FRAMES)
        world = np.stack([world_joints(p, "humaneva_15") for p in people])
        poses.append((recording, world))
        for name, camera in zip(humaneva_layout.CAMERAS, _cameras(3, (640, 480), LENS)):
            shown = [actors.photograph(camera, p) for p in people]
            humaneva.write_view(folder, recording, name, camera, shown)
            sequence = f"{recording.name.replace(' ', '_')}.{name}"
            for row, joints in enumerate(world):
                found[split][f"{sequence}/{recording.start + row:06d}"] = truth(camera, joints)
    humaneva.write_mat(folder, poses)
    return Excerpt(
        "humaneva", folder, found, test="validate", protocols=("humaneva-walking-jog",), skeleton="humaneva_15",
        note="2 of 6 recordings",
    )  # fmt: skip


# -- MPI-INF-3DHP and what is made of it -----------------------------------------------------------------------------

_TESTS = {1: (2048, 2048), 5: (1920, 1080)}


def _poses(people: list[Person], skeleton: str, camera: Camera) -> np.ndarray:
    return np.stack([camera.to_camera(world_joints(p, skeleton)) for p in people])


def mpi_inf_3dhp(actors: Actors, folder: Path) -> Excerpt:
    """S1/Seq1 seen by two cameras; TS1 and TS5."""
    cameras = dict(enumerate(_cameras(2, (2048, 2048))))
    people, found = actors.walk(1, FRAMES), {"train": {}, "test": {}}
    metric = {c: _poses(people, "mpi_inf_3dhp_17", camera) for c, camera in cameras.items()}
    shown = {c: [actors.photograph(camera, p) for p in people] for c, camera in cameras.items()}
    mpi.write_training(folder / "S1" / "Seq1", cameras, metric, {"imageSequence": shown})
    for c, camera in cameras.items():
        for frame, joints in enumerate(metric[c]):
            found["train"][f"S1/Seq1.{c}/{frame:06d}"] = Truth(joints, camera.project_camera(joints))
    for number, size in _TESTS.items():
        (camera,) = _cameras(1, size)
        people = actors.walk(number + 1, FRAMES)
        poses = _poses(people, "mpi_inf_3dhp_17", camera)
        variables = mpi.tested(poses, camera, np.ones(FRAMES), 1 + np.arange(FRAMES))
        mpi.write_test(folder, number, [actors.photograph(camera, p) for p in people], variables)
        for frame, joints in enumerate(poses):
            found["test"][f"TS{number}/{frame:06d}"] = Truth(joints, camera.project_camera(joints))
    return Excerpt(
        "mpi_inf_3dhp", folder, found, test="test", protocols=("3dhp-metric", "3dhp-universal"),
        skeleton="mpi_inf_3dhp_17", note="1 of 16 recordings, 2 of 6 for testing",
    )  # fmt: skip


def _pair(actors: Actors, frames: int, seed: int) -> list[tuple[Person, Person]]:
    return list(zip(actors.walk(seed, frames), actors.walk(seed + 1, frames, (0.9, 1.1))))


def mupots_3d(actors: Actors, folder: Path) -> Excerpt:
    """TS1 and TS2 of two people; for testing only."""
    found: dict[str, Truth] = {}
    for number in (1, 2):
        (camera,) = _cameras(1, mupots.picture_size(number))
        pairs = _pair(actors, FRAMES, number)
        poses = np.stack([_poses(list(pair), "mpi_inf_3dhp_17", camera) for pair in pairs])
        home = folder / "MultiPersonTestSet" / f"TS{number}"
        mpi.write_mupots(home, camera, poses, [actors.photograph(camera, *pair) for pair in pairs], hips_px=(0, 0))
        for frame, people in enumerate(poses):
            for person, joints in enumerate(people):
                found[f"TS{number}/{frame:06d}/{person}"] = Truth(joints, camera.project_camera(joints))
    return Excerpt(
        "mupots", folder, {"test": found}, "", "test", ("mupots-metric", "mupots-universal"), "mpi_inf_3dhp_17",
        trained_on="muco", note="2 of 20 recordings",
    )  # fmt: skip


def _composites(actors: Actors, size: tuple[int, int], names: list[str]) -> list[muco.Composite]:
    (camera,) = _cameras(1, size)
    shots = []
    for number, (name, pair) in enumerate(zip(names, _pair(actors, len(names), 3)), 1):
        near_first = sorted(pair, key=lambda p: float(camera.to_camera(world_joints(p, "h36m_17"))[0, 2]))
        poses = _poses(near_first, "muco_21", camera)
        shots.append(muco.Composite(number, name, actors.photograph(camera, *near_first), camera, poses))
    return shots


def muco_parsed(actors: Actors, folder: Path) -> Excerpt:
    """As Moon et al. distribute it: images of two people."""
    sets = ("augmented_set/0", "unaugmented_set/1")
    shots = _composites(actors, (1024, 1024), [f"{sets[n % 2]}/{n + 1:06d}.jpg" for n in range(FRAMES)])
    muco.write(folder, shots)
    found = {
        f"{shot.name[:-4]}/{10 * shot.number + person}": Truth(joints, shot.camera.project_camera(joints))
        for shot in shots
        for person, joints in enumerate(shot.poses)
    }
    return Excerpt("muco", folder, {"train": found}, skeleton="mpi_inf_3dhp_17")


def muco_matlab(actors: Actors, folder: Path) -> Excerpt:
    """As the official scripts make it."""
    shots = _composites(actors, (2048, 2048), [f"{n + 1:06d}.jpg" for n in range(FRAMES)])
    muco.write_chunk(folder / "unaugmented_set_001", 1, shots)
    found = {
        f"unaugmented_set_001/{shot.name[:-4]}/{person}": Truth(joints, shot.camera.project_camera(joints))
        for shot in shots
        for person, joints in enumerate(shot.poses)
    }
    return Excerpt("muco_matlab", folder, {"train": found}, skeleton="mpi_inf_3dhp_17")


# -- 3DPW, CMU Panoptic ----------------------------------------------------------------------------------------------


def threed_pw(actors: Actors, folder: Path) -> Excerpt:
    """A sequence of two actors for training, and one for testing, by a camera that moves."""
    found: dict[str, dict[str, Truth]] = {"train": {}, "test": {}}
    for seed, (split, name) in enumerate((("train", "courtyard_walking_00"), ("test", "downtown_walking_00"))):
        cameras = [look_at((100.0 * n, -6600, 1300), size=(1080, 1920)) for n in range(FRAMES)]
        pairs = _pair(actors, FRAMES, 1 + seed)
        people = [np.stack([world_joints(pair[actor], "smpl_24") for pair in pairs]) for actor in range(2)]
        counts = [[1] * FRAMES] * 2
        data = threedpw.sequence(name, cameras, people, counts, [[9] * FRAMES] * 2)
        shown = [actors.photograph(camera, *pair) for camera, pair in zip(cameras, pairs)]
        threedpw.write(folder, split, data, shown)
        for actor, joints in enumerate(people):
            for frame, camera in enumerate(cameras):
                found[split][f"{name}.{actor}/{frame:05d}"] = truth(camera, joints[frame])
    return Excerpt(
        "3dpw", folder, found, test="test", protocols=("3dpw-test",), skeleton="smpl_24", note="2 of 60 sequences"
    )


def cmu_panoptic(actors: Actors, folder: Path) -> Excerpt:
    """A sequence of VoxelPose's for training and one for testing; frames of one camera, a video of the other."""
    found: dict[str, dict[str, Truth]] = {"train": {}, "test": {}}
    cameras = dict(zip(("00_00", "00_07"), _cameras(2, (1920, 1080), LENS)))
    for seed, (split, name) in enumerate((("train", "160906_band1"), ("test", "160906_band4"))):
        people = actors.walk(1 + seed, FRAMES)
        world = [world_joints(p, "coco_19") for p in people]
        shown = {c: [actors.photograph(camera, p) for p in people] for c, camera in cameras.items()}
        scenes = [panoptic.scene({4: joints}) for joints in world]
        panoptic.write(folder / name, cameras, scenes, shown, videos=("00_07",))
        for c, camera in cameras.items():
            for frame, joints in enumerate(world):
                found[split][f"{name}.{c}.4/{frame:08d}"] = truth(camera, joints)
    return Excerpt("panoptic", folder, found, test="test", skeleton="coco_19", note="no protocol of its own")


EXPORTS: dict[str, Callable[[Actors, Path], Excerpt]] = {
    **{name: partial(human36m, name) for name in ("h36m", "h36m_frames", "h36m_fetch", "h36m_moon")},
    "humaneva": human_eva,
    "mpi_inf_3dhp": mpi_inf_3dhp,
    "muco": muco_parsed,
    "muco_matlab": muco_matlab,
    "mupots": mupots_3d,
    "3dpw": threed_pw,
    "panoptic": cmu_panoptic,
}


@contextmanager
def excerpts_allowed() -> Iterator[None]:
    """Readers expect the recordings that are written here, rather than all there are; formats and sizes stay."""
    test, train = h36m_layout.Split((9, 11), _STEP), h36m_layout.Split((1,))
    views = mpi_inf_3dhp_layout.Split((mpi_inf_3dhp_layout.Recording(1, 1),), (0, 1))
    with ExitStack() as stack:
        enter = stack.enter_context
        of = {s: [_walking(s)] for s in _SUBJECTS}
        enter(mock.patch.object(h36m_layout, "recordings", lambda subject: of[subject]))
        enter(mock.patch.dict(h36m_layout.SPLITS, {"train": train, "test": test}))
        enter(mock.patch.dict(humaneva_layout.SPLITS, {"train": (_JOG,), "validate": (_WALK,)}))
        enter(mock.patch.dict(mpi_inf_3dhp_layout.TRAIN_SPLITS, {"train": views}))
        enter(mock.patch.object(mpi_inf_3dhp_layout, "TEST_SIZES", _TESTS))
        enter(mock.patch.object(mupots, "RECORDINGS", range(1, 3)))
        yield
