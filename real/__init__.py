"""The other floor: real kernels. The only room that knows sockets, ctypes and real time."""
