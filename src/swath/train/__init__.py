"""Training: one loop, seeded and resumable. Needs the extra `nn`."""
