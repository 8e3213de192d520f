"""Samples: labels on pixels, places and splits, windows and their loaders, reference samples."""
