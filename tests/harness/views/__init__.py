"""Tests of `harness.views`."""
