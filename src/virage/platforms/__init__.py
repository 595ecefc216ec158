"""Orientation 4: the national platforms."""
