"""The Collectives screen."""
