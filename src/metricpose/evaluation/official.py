"""The protocols of research data sets, named by content: "protocol 1" and "2" change places from paper to paper.

Sources: the papers and the code that made their numbers. Human3.6M: Ionescu et al. 2014, scripts of MeTRo, MeTRAbs,
MargiPose and Moon et al. 2019. MPI-INF-3DHP: Mehta et al. 2017, its `mpii_compute_3d_pck.m` as MargiPose and MeTRAbs
rebuilt it. MuPoTS-3D: Mehta et al. 2018, its `mpii_mupots_multiperson_eval.m`. HumanEva-I: Sigal et al. 2010, frame
ranges of VideoPose3D. 3DPW: von Marcard et al. 2018, evaluation code of the challenge of 2020. Which public numbers
belong to which protocol is in `published.py`.
"""

from __future__ import annotations

from dataclasses import replace

from metricpose.evaluation.definition import LIMBS, Column, Group, Layout, Matching, Protocol
from metricpose.skeleton import catalog

_AVERAGES = (Column("", "mean of actions", "mean of actions"), Column("", "", "all frames"))

# -- Human3.6M ---------------------------------------------------------------------------------------------------

_H36M_READERS = ("h36m", "h36m_frames", "h36m_fetch", "h36m_moon")
_ACTIONS = {
    "Directions": "Dir.", "Discussion": "Disc.", "Eating": "Eat", "Greeting": "Greet", "Phoning": "Phone",
    "Posing": "Pose", "Purchases": "Purch.", "Sitting": "Sit", "SittingDown": "SitD.", "Smoking": "Smoke",
    "Photo": "Photo", "Waiting": "Wait", "Walking": "Walk", "WalkDog": "WalkD.", "WalkTogether": "WalkT.",
}  # fmt: skip
_MARTINEZ_ORDER = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases", "Sitting",
    "SittingDown", "Smoking", "Waiting", "WalkDog", "Walking", "WalkTogether",
)  # fmt: skip
_H36M_LAYOUTS = (
    Layout(
        "By action, columns as Sun 2018, Moon 2019, MeTRAbs, CDL: Photo after Smoking, Walking before WalkDog",
        (*(Column("action", name, short) for name, short in _ACTIONS.items()), *_AVERAGES),
        ("mpjpe", "pa_mpjpe", "rigid_mpjpe"),
    ),
    Layout(
        "By action, columns as Martinez 2017, Pavlakos 2018, HEMlets: Photo before Posing, WalkDog before Walking",
        (*(Column("action", name, _ACTIONS[name]) for name in _MARTINEZ_ORDER), *_AVERAGES),
        ("mpjpe", "pa_mpjpe", "rigid_mpjpe"),
    ),
)
_H36M_17 = Group(
    "17 joints",
    "h36m_17",
    catalog.H36M_17.joints,
    ("pelvis",),
    measures=(
        "mpjpe", "pa_mpjpe", "rigid_mpjpe", "n_mpjpe", "pck150", "auc", "a_mpjpe", "mrpe", "bone", "px", "cover50",
        "cover90",
    ),
    resample="recording",
    note="the root's own zero counts, as in all papers; S9's shifted recordings are moved back, which only absolute "
    "errors and pixels feel",
)  # fmt: skip
_FIVE, _SIX = "Human3.6M S1, S5, S6, S7, S8", "Human3.6M S1, S5, S6, S7, S8, S9"
_H36M = Protocol(
    "h36m-s9s11-every64",
    "Human3.6M, S9 and S11, every 64th frame",
    "reader",
    (_H36M_17,),
    "test",
    readers=_H36M_READERS,
    recording_facts=("subject", "recording"),
    means=("pooled", "actions"),
    breakdowns=("action", "person", "joint"),
    layouts=_H36M_LAYOUTS,
    trained_on=_FIVE,
)

# -- MPI-INF-3DHP ------------------------------------------------------------------------------------------------

_MPI = catalog.MPI_INF_3DHP_17.joints
_MPI_14 = Group(
    "14 joints",
    "mpi_inf_3dhp_17",
    _MPI[:14],
    ("pelvis",),
    measures=("mpjpe", "pck150", "auc", "auc31", "n_mpjpe", "pa_mpjpe", "pa_pck150", "pa_auc31", "a_mpjpe", "a_pck150"),
    align=_MPI,
    resample="recording",
    note="head top to ankles, without pelvis, spine and head; alignments see all 17. TS3 and TS4 have the corrected "
    "labels: numbers of before 2019 are on the wrong ones. Six recordings: the intervals are coarse",
)
_MPI_17 = replace(_MPI_14, name="17 joints", joints=_MPI, note="the root's own zero counts")
_SCENES = (
    Column("scene", "green screen", "GS"),
    Column("scene", "studio", "no GS"),
    Column("scene", "outdoor", "outdoor"),
    Column("", "", "all"),
)
_ACTIVITIES = ("Stand/Walk", "Exercise", "Sit on Chair", "Reach/Crouch", "On Floor", "Sports", "Misc.")
_3DHP = Protocol(
    "3dhp-metric",
    "MPI-INF-3DHP test set, metric poses (annot3)",
    "reader",
    (_MPI_14, _MPI_17),
    "test",
    readers=("mpi_inf_3dhp",),
    recording_facts=("sequence",),
    action_fact="activity",
    breakdowns=("action", "scene", "recording", "joint"),
    layouts=(
        Layout(
            "By activity and scene, columns as Mehta 2017, MeTRAbs",
            (*(Column("action", name, name) for name in _ACTIVITIES), *_SCENES),
            ("pck150", "auc31", "mpjpe"),
        ),
    ),
    trained_on="MPI-INF-3DHP S1 to S8",
)
_UNIVERSAL_NOTE = (
    "; univ_annot3, one height for all people: predictions of a metric network are off by each person's scale. Knees "
    "and ankles of TS6 are wrong in it"
)


def _universal(name: str, title: str, **changes: object) -> Protocol:
    """The 3DHP protocol on univ_annot3, where absolute errors mean nothing."""
    groups = tuple(
        replace(
            g,
            absolute=False,
            measures=tuple(m for m in g.measures if not m.startswith("a_")),
            note=g.note + _UNIVERSAL_NOTE,
            **changes,  # type: ignore[arg-type]
        )
        for g in _3DHP.groups
    )
    return replace(
        _3DHP, name=name, title=f"MPI-INF-3DHP test set, univ_annot3{title}", split="test_universal", groups=groups
    )


# -- MuPoTS-3D ---------------------------------------------------------------------------------------------------

_MUPOTS_COLUMNS = (
    *(Column("recording", f"TS{n}", f"TS{n}") for n in range(1, 21)),
    Column("", "mean of recordings", "mean"),
)
_MUPOTS_14 = Group(
    "14 joints",
    "mpi_inf_3dhp_17",
    _MPI[:14],
    ("pelvis",),
    measures=("pck150", "auc31", "a_pck150", "a_auc31", "recall"),
    rescale="bones of the truth",
    resample="recording",
    as_labelled=True,
    note="univ_annot3; absolute errors are measured on its places as distributed, as the official script does",
)
_MUPOTS = Protocol(
    "mupots-universal",
    "MuPoTS-3D, univ_annot3, bones rescaled (the official script)",
    "reader",
    (_MUPOTS_14,),
    "test_universal",
    readers=("mupots",),
    recording_facts=("sequence",),
    matching_px=Matching(_MPI[1:14], 40.0),
    subsets=("detected", "annotated"),
    means=("recordings", "pooled"),
    breakdowns=("recording", "joint", "visibility"),
    layouts=(Layout("By recording, columns as Mehta 2018", _MUPOTS_COLUMNS, ("pck150", "a_pck150")),),
    trained_on="MuCo-3DHP and a 2D set",
)
_MUPOTS_METRIC_14 = replace(
    _MUPOTS_14,
    measures=("mpjpe", "pck150", "auc31", "a_mpjpe", "a_pck150", "a_auc31", "mrpe", "recall"),
    rescale="none",
    as_labelled=False,
    note="annot3, nothing rescaled",
)

# -- HumanEva-I --------------------------------------------------------------------------------------------------

_EVA = ("Walking", "Jog")
_HUMANEVA = Protocol(
    "humaneva-walking-jog",
    "HumanEva-I, validation part of trial 1 of Walking and Jog, S1 to S3, cameras C1 to C3",
    "reader",
    (
        Group(
            "15 joints",
            "humaneva_15",
            catalog.HUMANEVA_15.joints,
            ("pelvis",),
            measures=("pa_mpjpe", "rigid_mpjpe", "mpjpe", "n_mpjpe"),
            resample="recording",
            note="papers print errors after an alignment without saying so. Six recordings: the intervals are coarse. "
            "The head of S3 Walking is wrong for much of the recording",
        ),
    ),
    "validate",
    readers=("humaneva",),
    recording_facts=("subject", "action"),
    means=("pooled", "recordings"),
    breakdowns=("action and person", "joint"),
    layouts=(
        Layout(
            "By action and subject, columns as Simo-Serra 2013, HEMlets",
            (
                *(Column("action and person", f"{a} S{n}", f"{a} S{n}") for a in _EVA for n in (1, 2, 3)),
                Column("", "mean of recordings", "mean of six"),
                Column("", "", "all frames"),
            ),
            ("pa_mpjpe", "rigid_mpjpe", "mpjpe"),
        ),
    ),
    trained_on="HumanEva-I, training part of trial 1 of Walking and Jog",
)

# -- 3DPW --------------------------------------------------------------------------------------------------------

_3DPW = Protocol(
    "3dpw-all",
    "3DPW, all 60 sequences, 24 SMPL joints (the challenge of 2020)",
    "reader",
    (
        Group(
            "24 joints",
            "smpl_24",
            catalog.SMPL_24.joints,
            ("pelvis",),
            measures=("mpjpe", "pa_mpjpe", "n_mpjpe", "a_mpjpe", "mrpe", "px"),
            resample="recording",
            note="actors with a valid camera pose and any 2D detection, found by their true box; recordings are the "
            "sequences of each actor. Not the 14 joints regressed from meshes that most papers on meshes print",
        ),
        Group(
            "12 limb joints",
            "smpl_24",
            LIMBS,
            ("pelvis",),
            measures=("pck50", "auc200"),
            resample="recording",
            note="relative to the pelvis, which does not count",
        ),
    ),
    "train+validation+test",
    only_with="detected",
    readers=("3dpw",),
    recording_facts=("sequence",),
    breakdowns=("recording", "joint"),
    trained_on="anything but 3DPW",
)

OFFICIAL: tuple[Protocol, ...] = (
    _H36M,
    replace(_H36M, name="h36m-s9s11-all", title="Human3.6M, S9 and S11, all frames", split="test_all"),
    replace(
        _H36M, name="h36m-s11-every64", title="Human3.6M, S11, every 64th frame", split="test_s11", trained_on=_SIX
    ),
    replace(
        _H36M,
        name="h36m-truncated",
        title="Human3.6M, S9 and S11, every 64th frame, cut off by random boxes",
        truncated=True,
        boxes=4,
        subsets=("all", "present"),
        breakdowns=("action", "visibility", "joint"),
    ),
    _3DHP,
    _universal("3dhp-universal", ""),
    _universal("3dhp-universal-920mm", ", knee to neck made 920 mm", rescale="knee-neck 920 mm"),
    _universal("3dhp-universal-true-height", ", knee to neck made the true length", rescale="knee-neck of the truth"),
    _MUPOTS,
    replace(
        _MUPOTS,
        name="mupots-metric",
        title="MuPoTS-3D, annot3, nothing rescaled",
        split="test",
        groups=(
            _MUPOTS_METRIC_14,
            replace(_MUPOTS_METRIC_14, name="16 joints", joints=(*_MPI[:14], "spine", "head")),
        ),
        layouts=(
            Layout(
                "By recording, columns as Mehta 2018",
                _MUPOTS_COLUMNS,
                ("a_mpjpe", "mpjpe", "a_pck150", "pck150"),
            ),
        ),
    ),
    _HUMANEVA,
    _3DPW,
    replace(_3DPW, name="3dpw-test", title="3DPW, test sequences, 24 SMPL joints", split="test"),
)
