"""Judges of the real floor."""
