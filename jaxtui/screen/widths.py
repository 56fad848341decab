"""The widths at which screens are laid out in another way."""

NARROW = 100  # columns below which the two columns become two pages
WIDEST = 160  # columns from which a second pane stands beside the first
