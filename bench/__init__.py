"""Benchmarks: each figure of duopoll beside its peer's, measured in the same run.

`python -m bench` (or `make bench`) prints the table. A *contender* is a function that does a fixed
amount of work and gives one figure; it runs in a fresh process of its own (`bench.child`), turn
and turn about with its rivals, and the median of its turns counts.
"""
