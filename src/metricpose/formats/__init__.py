"""Result files: People written and read as JSON, numpy archive or CSV, each describing itself."""

from metricpose.formats.save import load, save

__all__ = ["load", "save"]
