"""Swappers with learned weights, driven by recipes."""
