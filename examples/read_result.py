"""Result files describe themselves: joint names, tree, unit, camera and model come back with the numbers."""

from importlib.resources import files

import numpy as np

import metricpose

model = metricpose.load()
made = model.predict(files("metricpose") / "photos" / "astronaut.jpg", boxes=[[0, 0, 511, 511]], fov_deg=40)
made.save("out/pose.npz")

people = metricpose.load_people("out/pose.npz")
print(people.skeleton.name, people.camera.size, people.info["model"]["sha256"][:12], people.info["camera_source"])
for parent, child in people.skeleton.edges:
    length = np.linalg.norm(people.joints_mm[0, child] - people.joints_mm[0, parent])
    print(f"{people.skeleton.joints[parent]} - {people.skeleton.joints[child]}: {length:.0f} mm")
