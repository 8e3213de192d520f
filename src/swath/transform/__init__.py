"""Changes of batches: scaling, turning. Pixels, validity and targets move together."""
