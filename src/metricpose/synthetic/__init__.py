"""Synthetic people: rendered images with exact metric joints, any number of them, the same on every machine."""

from metricpose.synthetic.generator import Generator, SyntheticConfig, SyntheticSample, to_record
from metricpose.synthetic.preview import contact_sheet

__all__ = ["Generator", "SyntheticConfig", "SyntheticSample", "contact_sheet", "to_record"]
