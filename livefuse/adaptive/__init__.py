"""Keeping the frame rate: quality is lowered step by step while the machine is too slow, and comes back when it is not."""
