"""Which fingers keep the first skill's object and which serve the second (DexCompose 3.2): release tests, selectors."""
