"""Serving: HTTP (``http``), one worker (``server``), its processes (``process``), and the start."""
