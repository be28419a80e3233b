"""Inclusion: could the simulated kernel have produced a trace recorded on a real one?"""
