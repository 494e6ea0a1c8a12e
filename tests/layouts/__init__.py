"""Writers of small data sets in the byte formats of the official files: for fixtures, and for `examples/round_trip.py`.

What is written, painted dots or rendered people, is the caller's.
"""
