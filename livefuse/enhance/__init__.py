"""Hop 5: networks that sharpen what is there."""
