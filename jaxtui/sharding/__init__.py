"""Where every array of a program lies on a mesh, and what is sent because of it."""
