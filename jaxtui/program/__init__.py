"""The program: a function, its arguments and the layers around it."""
