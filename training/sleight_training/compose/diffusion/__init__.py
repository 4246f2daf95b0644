"""Base skills as diffusion policies (DexCompose 4.1 and appendix A)."""
