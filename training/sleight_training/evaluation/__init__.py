"""Evaluation of exported bundles, and the pages that show it."""
