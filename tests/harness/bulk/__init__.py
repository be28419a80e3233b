"""Tests of `harness.bulk`."""
