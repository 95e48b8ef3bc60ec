"""The servers that are compared: how each is started, given a key, and checked.

A server is measured only after it has said yes to its key and no to another one.
"""
