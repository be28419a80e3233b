"""One floor: simulated kernels, network and threads. The only room that knows SimPy and greenlet."""
