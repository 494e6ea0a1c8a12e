"""A calibrated camera with lens distortion and a known place in the room gives joints in room coordinates."""

from importlib.resources import files

import numpy as np

import metricpose

photo = files("metricpose") / "photos" / "astronaut.jpg"
camera = metricpose.Camera(
    K=np.array([[620.0, 0, 255.5], [0, 620.0, 255.5], [0, 0, 1]]),
    size=(512, 512),
    distortion=np.array([-0.1, 0.02, 0, 0, 0]),  # k1 k2 p1 p2 k3
    R=np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]),  # a room whose z axis points up
    t=np.array([0.0, 1500.0, 0.0]),  # the camera hangs 1.5 m above the origin
)
model = metricpose.load()
people = model.predict(photo, camera=camera, boxes=[[0, 0, 511, 511]], up=(0.0, 0.0, 1.0))

height = people.joints_mm[0, people.skeleton.index("nose"), 2]
print(f"the nose is {height / 1000:.2f} m above the floor")
print("projects back exactly:", np.array_equal(camera.project(people.joints_mm), people.joints_px))
