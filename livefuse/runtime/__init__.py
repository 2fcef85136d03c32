"""Runs models. Nothing outside this folder and `device` knows which runtime does it."""
