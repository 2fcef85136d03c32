"""Hop 1: where frames come from. `open_source(url)` is the door."""
