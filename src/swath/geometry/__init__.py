"""Shapes and movements in space: arrays in, arrays out; no files, no torch."""
