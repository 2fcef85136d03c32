"""Masks: what of each face may be swapped, and what stays the target's own."""
