"""Orientation 3: the core digital services."""
