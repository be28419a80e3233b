"""Tests of `model.evbuffer`."""
