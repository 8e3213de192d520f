"""Torch-free first answers: pixel features, a classifier chosen on places held out, and what maps with it."""
