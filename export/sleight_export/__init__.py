"""From torch to policy bundles: export, and proof that both compute the same."""
