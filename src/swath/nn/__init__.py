"""Building blocks of networks: plain arrays in and out; they know nothing of the Earth."""
