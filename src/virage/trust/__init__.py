"""Orientation 2: security and interoperability of digital health."""
