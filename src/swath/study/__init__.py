"""Studies of data: which samples to keep, which to label."""
