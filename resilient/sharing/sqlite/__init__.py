"""Shared state in a SQLite file.

state    what the protocol asks, as transactions
tables   where it is kept, and the clock of the file
"""
