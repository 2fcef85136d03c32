"""Hop 4: the identity and the swappers that put it on."""
