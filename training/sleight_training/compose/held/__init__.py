"""States in which a retention skill has succeeded (DexCompose 3.2, B.3): collecting, keeping and restoring them."""
