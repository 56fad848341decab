"""Widgets: each draws one thing from plain data and posts messages about it."""
