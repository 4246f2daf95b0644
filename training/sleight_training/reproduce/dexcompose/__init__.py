"""The experiments of DexCompose: jobs, what they found, and the paper's tables and figures beside it."""
