"""Results: an array of any size, read in windows, and the devices its blocks lie on."""
