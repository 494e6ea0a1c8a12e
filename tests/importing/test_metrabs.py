"""Public MeTRAbs networks: tensors, settings and names arrive; forward equals one written out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor
from torch.nn import functional

from metricpose.errors import CheckpointError, InputError
from metricpose.geometry.absolute import pixel_rays, recover
from metricpose.geometry.camera import Camera
from metricpose.importing import metrabs
from metricpose.importing.metrabs import import_metrabs
from metricpose.predict.api import PoseModel, load
from metricpose.predict.network import CropNetwork
from metricpose.skeleton import catalog
from metricpose.weights import load_model, save_model
from reference import checkpoints

POINTS = 90
S256: dict[str, Any] = {
    "efficientnet_size": "s", "backbone": "efficientnetv2-s", "proc_side": 256, "depth": 8, "box_size_mm": 2200,
    "stride_train": 32, "stride_test": 32, "centered_stride": False, "legacy_centered_stride_bug": True,
    "weak_perspective": False, "mix_3d_inside_fov": 0.5, "affine_weights": None, "transform_coords": False,
    "predict_all_and_latents": False, "dtype": "float16",
}  # fmt: skip


def names() -> list[str]:
    """Names of the points in an order of their own: those of ours, shuffled, and a few of other data sets."""
    known = [*metrabs.point_names(), *(f"mark{i}_bmlmovi" for i in range(POINTS - 77))]
    return [known[i] for i in np.random.default_rng(0).permutation(POINTS)]


def write_folder(
    folder: Path, state: dict[str, Tensor] | None, config: dict[str, Any] | None, points: list[str] | None
) -> Path:
    """A folder as published."""
    folder.mkdir(exist_ok=True)
    if state is not None:
        torch.save(state, folder / "ckpt.pt")
    if config is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    if points is not None:
        np.savez(folder / "joint_info.npz", joint_names=np.array(points), joint_edges=np.array([[0, 1]]))
    (folder / "skeleton_infos.pkl").write_bytes(b"never opened")
    return folder


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return checkpoints.random_state(checkpoints.metrabs("s", POINTS))


@pytest.fixture(scope="module")
def folder(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = write_folder(tmp_path_factory.mktemp("public") / "metrabs_eff2s", state, S256, names())
    yield made
    (made / "ckpt.pt").unlink()


@pytest.fixture(scope="module")
def file(folder: Path) -> Any:
    """The imported model file."""
    imported = import_metrabs(folder)
    path = folder / "imported.safetensors"
    save_model(path, imported.model, imported.name, half=False, facts=imported.facts(folder.name))
    yield path
    path.unlink()


def batch_norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    parts = [state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
    return functional.batch_norm(x, *parts, eps=1e-3)


def block_by_hand(x: Tensor, state: dict[str, Tensor], name: str, pad: tuple[int, int, int, int]) -> Tensor:
    """The strided depthwise block of stage 6, from the published names and padding."""
    y = functional.silu(batch_norm(functional.conv2d(x, state[f"{name}.0.0.weight"]), state, f"{name}.0.1"))
    y = functional.conv2d(functional.pad(y, pad), state[f"{name}.1.0.weight"], stride=2, groups=y.shape[1])
    y = functional.silu(batch_norm(y, state, f"{name}.1.1"))
    gate = functional.silu(
        functional.conv2d(y.mean((2, 3), keepdim=True), state[f"{name}.2.fc1.weight"], state[f"{name}.2.fc1.bias"])
    )
    y = y * torch.sigmoid(functional.conv2d(gate, state[f"{name}.2.fc2.weight"], state[f"{name}.2.fc2.bias"]))
    return batch_norm(functional.conv2d(y, state[f"{name}.3.0.weight"]), state, f"{name}.3.1")


def head_by_hand(features: Tensor, state: dict[str, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (b, P, 2) and millimetres (b, P, 3) of all points, cell by cell."""
    logits = functional.conv2d(features, *(state[f"heatmap_heads.conv_final.{k}"] for k in ("weight", "bias")))
    raw = logits.double().numpy()
    b, n = len(raw), raw.shape[-1]
    u = np.linspace(0, 1, n)
    plane = np.exp(raw[:, :POINTS] - raw[:, :POINTS].max((2, 3), keepdims=True))
    plane /= plane.sum((2, 3), keepdims=True)
    px = np.stack([plane.sum(2) @ u, plane.sum(3) @ u], -1) * 224 + 16
    mm = np.zeros((b, POINTS, 3))
    for j in range(POINTS):
        volume = np.stack([raw[:, POINTS + d * POINTS + j] for d in range(8)], 1)
        volume = np.exp(volume - volume.max((1, 2, 3), keepdims=True))
        volume /= volume.sum((1, 2, 3), keepdims=True)
        x, y, z = volume.sum((1, 2)) @ u, volume.sum((1, 3)) @ u, volume.sum((2, 3)) @ np.linspace(0, 1, 8)
        mm[:, j] = np.stack([(x * 224 + 16) * 2200 / 256, (y * 224 + 16) * 2200 / 256, z * 2200], -1)
    return px, mm


def test_import_then_load_then_forward_equals_the_forward_by_hand(file: Path, state: dict[str, Tensor]) -> None:
    model, metadata = load_model(file)
    assert metadata["model"] == "metrabs_points"
    seen: dict[str, Tensor] = {}
    strided, last = model.backbone.features[6][0], model.backbone.features[7]
    strided.register_forward_hook(lambda m, i, o: seen.update(inputs=i[0], outputs=o))
    last.register_forward_hook(lambda m, i, o: seen.update(features=o))
    images = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        output = model(images)
    expected = block_by_hand(seen["inputs"], state, "backbone.1.6.0.block", (1, 1, 1, 1))
    assert seen["outputs"].std() > 0.01
    torch.testing.assert_close(seen["outputs"], expected, rtol=1e-4, atol=1e-4)
    px, mm = head_by_hand(seen["features"], state)
    assert px.std() > 1
    np.testing.assert_allclose(output.points_px, px, atol=1e-2)
    np.testing.assert_allclose(output.points_mm, mm, atol=0.1)
    order = names()
    for joint, name in (
        ("r_knee", "rkne_h36m"),
        ("l_eye", "leye_coco"),
        ("neck@smpl", "neck"),
        ("head@mpi_inf_3dhp", "head_3dhp"),
    ):
        found = output.px[:, catalog.METRABS_77.index(joint)]
        np.testing.assert_allclose(found, px[:, order.index(name)], atol=1e-2)


def test_every_tensor_is_stored_once_and_unchanged(file: Path, state: dict[str, Tensor]) -> None:
    own = load_model(file)[0].state_dict()
    assert {metrabs.public_name(key) for key in own} == state.keys()
    assert all(torch.equal(value, state[metrabs.public_name(key)]) for key, value in own.items())


def test_absolute_positions_rest_on_all_points(file: Path) -> None:
    model, _ = load_model(file)
    images = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
    K = torch.tensor([[[400.0, 0, 127.5], [0, 410, 127.5], [0, 0, 1]]])
    with torch.inference_mode():
        output = model(images)
        pose = model.decode(output, K)
    view = ((output.points_px >= 8) & (output.points_px <= 216)).all(-1).float()
    assert 0 < view.sum() < POINTS
    expected = recover(pixel_rays(output.points_px, K), output.points_mm, view, mix=0.5).joints_mm[
        :, list(model.readout)
    ]
    torch.testing.assert_close(pose.joints_abs_mm, expected)
    few = recover(pixel_rays(output.px, K), output.volume_mm, view[:, list(model.readout)], mix=0.5).joints_mm
    assert (few - expected).abs().max() > 1
    assert pose.covariance_mm2.shape == (1, 77, 3, 3)


@pytest.mark.parametrize(
    ("size", "offsets", "view"),
    [("s", (16.0, 240.0), (8.0, 216.0)), ("l", (16.0, 368.0), (24.0, 360.0))],
)
def test_pixels_and_view_of_the_two_published_networks(
    size: str, offsets: tuple[float, float], view: tuple[float, float]
) -> None:
    with torch.device("meta"):
        model = metrabs.MetrabsPoints(
            metrabs.model_config(metrabs.PUBLISHED[size], 77, metrabs.Joints("metrabs_77", ())).model_copy(
                update={"backbone": "mobilenetv2"}
            )
        )
    ends = model.pixels(torch.tensor([[[0.0, 1.0]]]))
    assert ends.flatten().tolist() == list(offsets)
    low, high = view
    edge = torch.tensor([[[low, high], [low - 0.1, high], [low, high + 0.1]]])
    assert model._view(edge).tolist() == [[1, 0, 0]]
    assert model.config.centred == (size == "l")
    assert model.config.side == {"s": 256, "l": 384}[size]


def test_a_centred_network_pads_its_last_strided_layer_to_the_bottom_right(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    config = {**S256, "centered_stride": True, "legacy_centered_stride_bug": False}
    model = import_metrabs(write_folder(tmp_path / "x", state, config, names())).model.eval()
    x = torch.randn(1, 160, 16, 16, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        found = model.backbone.features[6][0](x)
    torch.testing.assert_close(
        found, block_by_hand(x, state, "backbone.1.6.0.block", (0, 2, 0, 2)), rtol=1e-4, atol=1e-4
    )
    (tmp_path / "x" / "ckpt.pt").unlink()


def test_predictions_in_every_skeleton_of_the_network(file: Path) -> None:
    model = load(file, device="cpu")
    assert model.default_skeleton is catalog.H36M_17
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    boxes = np.array([[10.0, 5.0, 60.0, 80.0]])
    native = model.predict(image, boxes=boxes, fov_deg=60.0, skeleton="metrabs_77")
    for name in ("coco_17", "mpi_inf_3dhp_17", "smpl_24"):
        people = model.predict(image, boxes=boxes, fov_deg=60.0, skeleton=name)
        assert people.skeleton.name == name
        assert np.isfinite(people.joints_mm).all()
        definition = people.skeleton.definition
        for j, joint in enumerate(people.skeleton.joints):
            own = (
                joint
                if joint in ("l_eye", "r_eye", "l_ear", "r_ear") or definition == "h36m"
                else f"{joint}@{definition}"
            )
            np.testing.assert_array_equal(people.joints_mm[0, j], native.joints_mm[0, catalog.METRABS_77.index(own)])
    assert model.predict(image, boxes=boxes, fov_deg=60.0, tta=2).skeleton.name == "h36m_17"


def head(points: int = POINTS, depth: int = 8) -> dict[str, Tensor]:
    """The head alone: what is wrong with the tables beside it shows before the rest is missed."""
    return {"heatmap_heads.conv_final.weight": torch.zeros(points * (depth + 1), 1280, 1, 1)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"efficientnet_size": "l"}, "says EfficientNetV2-L, the checkpoint holds EfficientNetV2-S"),
        ({"affine_weights": "w.npz"}, "latent points"),
        ({"transform_coords": True}, "latent points"),
        ({"depth": 6}, "810 rows, which is no multiple of 1 . depth = 7"),
        ({"proc_side": "wide"}, "(?s)not the config.yaml of a public MeTRAbs network.*proc_side"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "x", head(), {**S256, **change}, names())
    with pytest.raises(CheckpointError, match=message):
        import_metrabs(path)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (names()[:-1], "names 89 points, the checkpoint has 90"),
        ([n.replace("rkne_h36m", "rknee_h36m") for n in names()], "lacks rkne_h36m"),
        ([n.replace("mark0_bmlmovi", "mark1_bmlmovi") for n in names()], "names a point twice"),
    ],
)
def test_names_that_do_not_fit_are_refused(points: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        import_metrabs(write_folder(tmp_path / "x", head(), S256, points))


def test_names_are_never_unpickled(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "x", head(), S256, None)
    np.savez(path / "joint_info.npz", joint_names=np.array(names(), dtype=object))
    with pytest.raises(CheckpointError, match=r"cannot read the array joint_names of .*joint_info\.npz"):
        import_metrabs(path)


def test_smpl_joints_may_carry_their_suffix(tmp_path: Path) -> None:
    points = [n if "_" in n else f"{n}_smpl" for n in names()]
    with pytest.raises(CheckpointError, match="the file does not fit"):  # past the names, on to the tensors
        import_metrabs(write_folder(tmp_path / "x", head(), S256, points))


def test_what_is_missing_or_extra_is_listed(tmp_path: Path) -> None:
    state = {**head(), "heatmap_heads.conv_2d.bias": torch.zeros(3)}
    with pytest.raises(CheckpointError) as caught:
        import_metrabs(write_folder(tmp_path / "x", state, S256, names()) / "ckpt.pt")
    message = str(caught.value)
    assert "read as MeTRAbs with EfficientNetV2-S and 90 points" in message
    assert "missing (671): backbone.1.0.0.weight (24, 3, 3, 3), " in message
    assert "extra (1): heatmap_heads.conv_2d.bias (3)" in message


def test_a_bare_checkpoint_gives_points_without_names(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = write_folder(tmp_path / "x", state, None, None) / "ckpt.pt"
    imported = import_metrabs(path)
    path.unlink()
    assert imported.model.skeleton.name == "points_90"
    assert imported.settings_from == "as published"
    assert [note.split(" beside")[0] for note in imported.notes] == ["no config.yaml", "no joint_info.npz"]
    model = PoseModel(CropNetwork(imported.model), {})
    image = np.zeros((64, 64, 3), np.uint8)
    people = model.predict(image, boxes=[[0.0, 0, 64, 64]], camera=Camera.from_fov((64, 64), 1.0))
    assert people.joints_mm.shape == (1, 90, 3)
    with pytest.raises(InputError, match="left from right"):
        model.predict(image, boxes=[[0.0, 0, 64, 64]], tta=2)
    with pytest.raises(InputError, match=r"no conversion from points_90 .unnamed"):
        model.predict(image, boxes=[[0.0, 0, 64, 64]], skeleton="h36m_17")
