"""What every engine part stands on: devices, memory, arrays, output, several processes."""
