"""What exists before any data: sensors and their bands, units, grids and time. NumPy at most, no files of pixels."""
