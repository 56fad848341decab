"""The command line: the explorer's start, and the commands without a screen."""
