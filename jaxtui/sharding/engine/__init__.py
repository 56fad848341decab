"""Planning a program on a mesh with JAX and Shardy."""
