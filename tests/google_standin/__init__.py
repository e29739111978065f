"""A stand-in for Google: OAuth and the Gmail API on one local origin.

A separate process that speaks Google's own protocol, for tests and demonstrations.
"""
