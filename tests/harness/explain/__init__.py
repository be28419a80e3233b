"""Tests of harness.explain."""
