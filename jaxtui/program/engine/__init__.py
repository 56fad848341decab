"""The program in the engine: evaluated, traced, compiled, run and explained."""
