"""Any detector will do: a name, and a call from RGB image to boxes and scores."""

from importlib.resources import files

import numpy as np

import metricpose
from metricpose.predict.boxes import Boxes


class BrightestHalf:
    """A toy: takes the brighter half of the picture for a person."""

    name = "brightest-half"

    def __call__(self, image: np.ndarray) -> Boxes:
        height, width = image.shape[:2]
        left = image[:, : width // 2].mean() > image[:, width // 2 :].mean()
        box = [0.0 if left else width / 2, 0.0, width / 2, float(height)]  # left, top, width, height
        return Boxes(np.array([box]), np.array([0.5]))


people = metricpose.load().predict(files("metricpose") / "photos" / "astronaut.jpg", detector=BrightestHalf())
print(len(people), "people from", people.info["box_source"])
for warning in people.info["warnings"]:
    print("note:", warning)
