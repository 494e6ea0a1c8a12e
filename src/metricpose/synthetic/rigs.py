"""Which bone of a motion-capture rig is which control, for the rigs that free recordings come in."""

from __future__ import annotations

from collections.abc import Iterable

from metricpose.errors import DataError

_TRUNK = ("pelvis", "spine", "spine2", "chest", "neck", "head")
_LIMBS = ("clav", "uarm", "farm", "hand", "thigh", "shin", "foot", "toes")


def _rig(trunk: str, limbs: str, sides: tuple[str, str]) -> dict[str, str]:
    """Table control -> bone; `limbs` holds "{}" where the side's word goes."""
    table = dict(zip(_TRUNK, trunk.split()))
    for side, word in zip("LR", sides):
        table |= {f"{control}.{side}": name.format(word) for control, name in zip(_LIMBS, limbs.split())}
    return table


_BODY = "{0}Shoulder {0}Arm {0}ForeArm {0}Hand {0}UpLeg {0}Leg {0}Foot {0}ToeBase"
RIGS: dict[str, dict[str, str]] = {
    # CMU's own skeletons (.asf).
    "cmu_amc": _rig(
        "root lowerback upperback thorax upperneck head",
        "{}clavicle {}humerus {}radius {}hand {}femur {}tibia {}foot {}toes", ("l", "r"),
    ),
    # CMU converted to BVH for MotionBuilder (B. Hahne, cgspeed).
    "cmu_bvh": _rig("Hips LowerBack Spine Spine1 Neck1 Head", _BODY, ("Left", "Right")),
    # Mixamo and other MotionBuilder-like rigs; a prefix such as "mixamorig:" is ignored.
    "mixamo": _rig("Hips Spine Spine1 Spine2 Neck Head", _BODY, ("Left", "Right")),
    # Reallusion iClone / Character Creator.
    "cc_base": _rig(
        "CC_Base_Hip CC_Base_Waist CC_Base_Spine01 CC_Base_Spine02 CC_Base_NeckTwist01 CC_Base_Head",
        "CC_Base_{0}_Clavicle CC_Base_{0}_Upperarm CC_Base_{0}_Forearm CC_Base_{0}_Hand "
        "CC_Base_{0}_Thigh CC_Base_{0}_Calf CC_Base_{0}_Foot CC_Base_{0}_ToeBase", ("L", "R"),
    ),
    # Mixamo-like with two spine bones.
    "two_spines": _rig("Hips Spine Spine Spine1 Neck Head", _BODY, ("Left", "Right")),
}  # fmt: skip


def bones_of(names: Iterable[str]) -> dict[str, int]:
    """Index of the bone that plays each control, by the first rig whose bones are all there.

    Raises:
        DataError: no known rig fits.
    """
    index = {name.rsplit(":", 1)[-1]: i for i, name in enumerate(names)}
    for table in RIGS.values():
        if all(bone in index for bone in table.values()):
            return {control: index[bone] for control, bone in table.items()}
    raise DataError(
        f"unknown rig with the bones {', '.join(sorted(index))}; known rigs: {', '.join(RIGS)}. "
        "Rename the bones as one of them has them (metricpose/synthetic/rigs.py)"
    )
