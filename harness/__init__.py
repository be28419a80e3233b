"""Wires and drives: scenarios, runs, replay, campaigns, views, the command line."""
