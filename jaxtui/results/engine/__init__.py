"""Results in the engine: kept, read, searched and summarized."""
