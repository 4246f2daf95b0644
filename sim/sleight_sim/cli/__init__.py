"""Commands of the simulation room."""
