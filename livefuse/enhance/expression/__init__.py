"""Giving a swapped face the target's own expression back."""
