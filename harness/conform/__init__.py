"""Kernels one can believe: the simulated kernels beside the real ones, operation by operation."""
