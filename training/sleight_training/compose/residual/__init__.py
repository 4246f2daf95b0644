"""The two residuals of DexCompose, the compositions they act in, and what they are compared with (3.3, B.1 to B.5)."""
