"""The swapped face in the target's colours and light: statistics, distribution or smooth shading, steady over time."""
