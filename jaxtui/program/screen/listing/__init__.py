"""Programs as text: highlighted, folded, and linked to the lines that they come from."""
