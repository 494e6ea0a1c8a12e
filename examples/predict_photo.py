"""The shortest way: a photograph in, 3D joints in millimetres out."""

from importlib.resources import files

import metricpose

photo = files("metricpose") / "photos" / "astronaut.jpg"
model = metricpose.load()
people = model.predict(photo, skeleton="h36m_17")

for person, score in zip(people.joints_mm, people.scores):
    x, y, z = person[people.skeleton.index("nose")] / 1000
    print(f"score {score:.2f}: nose {x:+.2f} m right, {-y:+.2f} m up, {z:.2f} m away")
print("scale:", people.scale_source)
people.save("out/astronaut.json")
