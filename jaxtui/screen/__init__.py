"""What every screen stands on: commands, fields, dialogs, scrolling widgets."""
