"""Training and evaluation of dexterous policies."""
