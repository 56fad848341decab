"""What all engine parts share: devices, memory, arrays, output, several processes."""
