"""Measured differences between joint definitions: pure numbers, no code."""

CONVERSIONS: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
