"""In-hand reorientation: a cube on an open palm is turned to one goal orientation after another."""
