"""Tasks: what is simulated, observed, rewarded and counted."""
