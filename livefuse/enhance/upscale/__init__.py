"""Upscalers: a whole picture made larger by a network, tile by tile."""
