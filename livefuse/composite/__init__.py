"""Hop 6: masks, paste, privacy, overlay and the mark that comes last."""
