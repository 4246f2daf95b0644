"""Worlds: complete simulator models made from the hand table and an object."""
