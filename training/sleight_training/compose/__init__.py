"""DexCompose: skills, held states, finger masks and residuals."""
