"""Every joint comes with a covariance in square millimetres and says whether it was seen."""

from importlib.resources import files

import numpy as np

import metricpose
from metricpose.types import INFERRED, MEASURED, OUT_OF_FRAME

people = metricpose.load().predict(files("metricpose") / "photos" / "astronaut.jpg", boxes=[[0, 0, 511, 511]], tta=2)
words = {MEASURED: "measured", INFERRED: "inferred", OUT_OF_FRAME: "outside the picture"}

for joint, covariance, state in zip(people.skeleton.joints, people.covariance_mm2[0], people.state[0]):
    sigmas = np.sqrt(np.linalg.eigvalsh(covariance))
    print(f"{joint:12s} {words[int(state)]:20s} 1 sigma: {sigmas[0]:.0f} to {sigmas[2]:.0f} mm")
