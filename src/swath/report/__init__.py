"""Reports: one self-contained page a run, its charts and pictures, and tables for terminals."""
