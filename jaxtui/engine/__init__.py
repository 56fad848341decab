"""The engine's process: reads requests, runs them on its threads and sends events.

An engine of several processes has a leader, which talks to the client, and followers.
"""
