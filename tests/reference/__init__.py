"""A second, slow and plain implementation of the compiled core.

Written from the contract alone: regular expressions, big integers and the standard library, no word
shared with ``talos/native``. Where the two disagree, one of them is wrong.
"""
