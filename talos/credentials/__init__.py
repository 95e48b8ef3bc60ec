"""The credential formats (contract 5): making them, and proving what is presented.

Nothing here knows a database or a request. A verdict depends on the text presented, on one
``CredentialSettings`` snapshot and on the time, and on nothing else.
"""
