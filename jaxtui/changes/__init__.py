"""What changed between two runs, or two functions: values, operations, what is sent, memory."""
