"""The messages between the screen and the engine, and the client that starts an engine."""
