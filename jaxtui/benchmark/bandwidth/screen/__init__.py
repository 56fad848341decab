"""The Bandwidth screen."""
