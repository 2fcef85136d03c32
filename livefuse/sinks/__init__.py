"""Hop 7: where frames go. `open_sink(url)` is the door."""
