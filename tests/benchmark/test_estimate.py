from __future__ import annotations

from metricpose.benchmark import plan
from metricpose.benchmark.estimate import CROP_MS, estimates
from metricpose.benchmark.pool import tasks_of


def test_equal_trainings_are_timed_once_and_measuring_follows_the_crops(tiny, people_folder, tmp_path):
    rows = plan.chosen(["metro", "metro-whole"])
    tasks = tasks_of(rows, tiny, people_folder, tmp_path, None)
    found = {e.task: e for e in estimates(tasks)}
    assert set(found) == {t.name for t in tasks}
    assert found["metro-s0"][1:] == found["metro-s1"][1:] == found["metro-whole-s0"][1:]
    assert found["metro-s0"].training > 0
    assert found["metro-s0"].measuring > (tiny.whole + 4 * tiny.truncated) * CROP_MS / 1e3
    crops = next(e for name, e in found.items() if name.startswith("stream"))
    assert crops.training == 2 * CROP_MS / 1e3 * tiny.steps * tiny.batch
