"""Certificates: an authority of this machine's own, and what it vouches for."""
