"""Published systems made small: each a Card and `run(scale, out) -> Outcome`. Reached by name only (`swath run`)."""
