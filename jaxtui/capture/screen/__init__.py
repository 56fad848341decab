"""The dialog that captures arguments."""
