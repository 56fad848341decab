"""Collectives: what each device holds before and after, and how the data travels."""
