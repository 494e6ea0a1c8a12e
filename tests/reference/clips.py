"""Small motion-capture files for tests, written by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

# Bone, parent, offset (y up, facing +z, centimetres); a T pose.
MIXAMO = [
    ("Hips", None, (0, 95, 0)), ("Spine", "Hips", (0, 10, 0)), ("Spine1", "Spine", (0, 12, 0)),
    ("Spine2", "Spine1", (0, 13, 0)), ("Neck", "Spine2", (0, 15, 0)), ("Head", "Neck", (0, 10, 1)),
    ("LeftShoulder", "Spine2", (6, 12, 0)), ("LeftArm", "LeftShoulder", (11, 0, 0)),
    ("LeftForeArm", "LeftArm", (27, 0, 0)), ("LeftHand", "LeftForeArm", (25, 0, 0)),
    ("RightShoulder", "Spine2", (-6, 12, 0)), ("RightArm", "RightShoulder", (-11, 0, 0)),
    ("RightForeArm", "RightArm", (-27, 0, 0)), ("RightHand", "RightForeArm", (-25, 0, 0)),
    ("LeftUpLeg", "Hips", (10, -3, 0)), ("LeftLeg", "LeftUpLeg", (0, -42, 0)),
    ("LeftFoot", "LeftLeg", (0, -42, 0)), ("LeftToeBase", "LeftFoot", (0, -6, 13)),
    ("RightUpLeg", "Hips", (-10, -3, 0)), ("RightLeg", "RightUpLeg", (0, -42, 0)),
    ("RightFoot", "RightLeg", (0, -42, 0)), ("RightToeBase", "RightFoot", (0, -6, 13)),
]  # fmt: skip


def write_bvh(
    path: Path, angles: list[dict[str, tuple[float, float, float]]], *, fps: float = 20.0, prefix: str = "",
    offsets: dict[str, tuple[float, float, float]] | None = None,
) -> Path:  # fmt: skip
    """A Mixamo-like clip; `angles` are Zrotation, Xrotation, Yrotation in degrees per frame and bone (absent: 0)."""
    lines = ["HIERARCHY"]
    children = {name: [n for n, parent, _ in MIXAMO if parent == name] for name, _, _ in MIXAMO}
    table = {name: (offsets or {}).get(name, offset) for name, _, offset in MIXAMO}
    order: list[str] = []

    def block(name: str, indent: str) -> None:
        order.append(name)
        lines.append(f"{indent}{'JOINT' if indent else 'ROOT'} {prefix}{name}")
        lines.append(f"{indent}{{")
        lines.append(f"{indent}  OFFSET {' '.join(map(str, table[name]))}")
        position = "" if indent else "Xposition Yposition Zposition "
        lines.append(f"{indent}  CHANNELS {3 if indent else 6} {position}Zrotation Xrotation Yrotation")
        for child in children[name]:
            block(child, indent + "  ")
        if not children[name]:
            out = {"LeftHand": "8 0 0", "RightHand": "-8 0 0"}.get(name, "0 0 5")
            lines.append(f"{indent}  End Site\n{indent}  {{\n{indent}    OFFSET {out}\n{indent}  }}")
        lines.append(f"{indent}}}")

    block("Hips", "")
    lines += ["MOTION", f"Frames: {len(angles)}", f"Frame Time: {1 / fps:.6f}"]
    for frame in angles:
        numbers = [0.0, 95.0, 0.0]
        for name in order:
            numbers += frame.get(name, (0.0, 0.0, 0.0))
        lines.append(" ".join(f"{n:.6f}" for n in numbers))
    path.write_text("\n".join(lines) + "\n")
    return path


# Bone: parent, direction (y up, facing +z), length, axis in degrees, degrees of freedom; arms spread, legs splayed.
CMU = {
    "lowerback": ("root", (0, 1, 0), 2, (0, 0, 0), "rx ry rz"),
    "upperback": ("lowerback", (0, 1, 0), 2, (0, 0, 0), "rx ry rz"),
    "thorax": ("upperback", (0, 1, 0), 2, (0, 0, 0), "rx ry rz"),
    "lowerneck": ("thorax", (0, 1, 0), 1, (0, 0, 0), ""),
    "upperneck": ("lowerneck", (0, 1, 0), 1, (0, 0, 0), "rx"),
    "head": ("upperneck", (0, 1, 0), 1, (0, 0, 0), "rx ry rz"),
    "lclavicle": ("thorax", (1, 0.2, 0), 3, (0, 0, 0), "ry rz"),
    "lhumerus": ("lclavicle", (1, 0, 0), 5, (180, 30, -90), "rx ry rz"),
    "lradius": ("lhumerus", (1, 0, 0), 3, (180, 30, -90), "rx"),
    "lwrist": ("lradius", (1, 0, 0), 2, (180, 30, 90), "ry"),
    "lhand": ("lwrist", (1, 0, 0), 1, (0, 0, 0), ""),
    "rclavicle": ("thorax", (-1, 0.2, 0), 3, (0, 0, 0), "ry rz"),
    "rhumerus": ("rclavicle", (-1, 0, 0), 5, (180, -30, 90), "rx ry rz"),
    "rradius": ("rhumerus", (-1, 0, 0), 3, (180, -30, 90), "rx"),
    "rwrist": ("rradius", (-1, 0, 0), 2, (180, -30, -90), "ry"),
    "rhand": ("rwrist", (-1, 0, 0), 1, (0, 0, 0), ""),
    "lhipjoint": ("root", (0.6, -0.5, 0), 2, (0, 0, 0), ""),
    "lfemur": ("lhipjoint", (0.34, -0.94, 0), 7, (0, 0, 20), "rx ry rz"),
    "ltibia": ("lfemur", (0.34, -0.94, 0), 7, (0, 0, 20), "rx"),
    "lfoot": ("ltibia", (0.1, -0.2, 0.97), 2, (-90, 0, 20), "rx rz"),
    "ltoes": ("lfoot", (0, 0, 1), 1, (0, 0, 0), "rx"),
    "rhipjoint": ("root", (-0.6, -0.5, 0), 2, (0, 0, 0), ""),
    "rfemur": ("rhipjoint", (-0.34, -0.94, 0), 7, (0, 0, -20), "rx ry rz"),
    "rtibia": ("rfemur", (-0.34, -0.94, 0), 7, (0, 0, -20), "rx"),
    "rfoot": ("rtibia", (-0.1, -0.2, 0.97), 2, (-90, 0, -20), "rx rz"),
    "rtoes": ("rfoot", (0, 0, 1), 1, (0, 0, 0), "rx"),
}


def write_asf(path: Path) -> Path:
    """A skeleton with the bones of CMU's."""
    lines = ["# by hand", ":version 1.10", ":units", "  mass 1.0", "  angle deg", ":root", "  order TX TY TZ RX RY RZ"]
    lines += ["  axis XYZ", "  position 0 0 0", "  orientation 0 0 0", ":bonedata"]
    for i, (name, (_, direction, length, axis, dof)) in enumerate(CMU.items(), start=1):
        unit = np.array(direction) / np.linalg.norm(direction)
        lines += ["  begin", f"    id {i}", f"    name {name}", f"    direction {' '.join(f'{d:.8f}' for d in unit)}"]
        lines += [f"    length {length}", f"    axis {axis[0]} {axis[1]} {axis[2]}  XYZ"]
        lines += [f"    dof {dof}", "    limits (-180 180)"] if dof else []
        lines.append("  end")
    lines += [":hierarchy", "  begin", "    root lowerback lhipjoint rhipjoint"]
    for name in CMU:
        children = [child for child, values in CMU.items() if values[0] == name]
        lines += [f"    {name} {' '.join(children)}"] if children else []
    path.write_text("\n".join([*lines, "  end"]) + "\n")
    return path


def write_amc(path: Path, frames: list[dict[str, tuple[float, ...]]]) -> Path:
    """A motion: degrees per moving bone (absent: 0); "root" as rx ry rz."""
    lines = ["#!by hand", ":FULLY-SPECIFIED", ":DEGREES"]
    for i, frame in enumerate(frames, start=1):
        lines += [str(i), "root 0 0 0 " + " ".join(map(str, frame.get("root", (0, 0, 0))))]
        for name, values in CMU.items():
            if values[4]:
                numbers = frame.get(name, (0.0,) * len(values[4].split()))
                lines.append(f"{name} " + " ".join(map(str, numbers)))
    path.write_text("\n".join(lines) + "\n")
    return path
