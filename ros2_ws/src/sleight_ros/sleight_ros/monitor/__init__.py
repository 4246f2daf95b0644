"""Looking at a running graph: what its messages say, as data, and drawn in a terminal."""
