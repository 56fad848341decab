"""The strategies: each one way to run a function of one example over a batch."""
