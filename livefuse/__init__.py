"""livefuse: the face of a consenting person, swapped in live video, every millisecond measured."""

__version__ = "0.1.0"
