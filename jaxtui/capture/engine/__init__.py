"""The process that runs the script until the call that is captured."""
