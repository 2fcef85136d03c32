"""A user's own model file: what it is, whether it runs, and the recipe it gets."""
