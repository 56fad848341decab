"""Where NaN and infinities come from, found by running the program with probes."""
