"""Encoders beside one another: probes, one protocol, tables. Needs what its encoders need."""
