"""Tests of harness.shrinking."""
