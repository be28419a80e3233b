"""One floor: simulated kernels, network, threads. The only room that knows SimPy and greenlet."""
