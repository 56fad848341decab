"""What crosses between the two processes, and the client that starts and talks to an engine."""
