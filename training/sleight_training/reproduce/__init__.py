"""A paper's experiments as a graph of jobs, run by one command that can be stopped and continued at any time."""
