"""Hop 2: finding faces and following them."""
