"""Failures put in the user's terms, with the field at fault and fixes that were tried."""
