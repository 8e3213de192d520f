"""Cubes: scenes opened with their units, grid, dates and flags, read window by window."""
