"""How networks are computed on this machine: kernels, routes, and the fastest of several ways."""
