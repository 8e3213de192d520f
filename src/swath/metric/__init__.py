"""How well a map agrees with the truth, as plain arrays and numbers."""
