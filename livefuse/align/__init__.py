"""Hop 3: landmarks, templates and the crops cut along them."""
