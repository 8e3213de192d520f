"""Honest numbers about maps: areas, intervals, calibration, doubt, leakage."""
