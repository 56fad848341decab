"""The Sharding screen."""
