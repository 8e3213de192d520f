"""Named collections of real data and made worlds, a file each."""
