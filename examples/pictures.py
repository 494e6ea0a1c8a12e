"""Draw a result: over the photograph, as a sheet with a 3D view, and as a page to turn in the browser."""

from importlib.resources import files

import metricpose
from metricpose.formats.picture_file import write_picture
from metricpose.predict.images import read_photo
from metricpose.vis.overlay import draw_overlay
from metricpose.vis.page import write_page
from metricpose.vis.sheet import draw_sheet

photo = read_photo(files("metricpose") / "photos" / "astronaut.jpg")
people = metricpose.load().predict(photo, boxes=[[0, 0, 511, 511]])

write_picture(draw_overlay(photo.image, people), "out/overlay.jpg")
write_picture(draw_sheet(photo.image, people, "astronaut"), "out/sheet.png")
write_page(photo.image, people, "out/page.html", "astronaut")
