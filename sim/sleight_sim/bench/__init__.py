"""Benchmarks of simulation and perception."""
