"""Model files: recipes, the store that fetches and verifies them."""
