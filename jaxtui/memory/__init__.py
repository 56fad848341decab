"""What takes a program's memory, line by line, and batches of a size that fits."""
