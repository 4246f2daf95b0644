"""Recordings of a running graph: which topics, writing them so that little is lost, and reading them again."""
