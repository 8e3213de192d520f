"""What training makes smaller: `(model, batch) -> Loss`. Needs the extra `nn`."""
