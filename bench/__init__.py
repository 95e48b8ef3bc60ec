"""Measures talos beside what else a person could use: ``make bench``, ``make bench-quick``.

=============  =====================================================================
``core/``      operations of the compiled core beside their alternatives, in process
``http/``      whole servers, in interleaved rounds on the same cores
``growth/``    how cost grows with keys, connections, workers, sizes
``servers/``   how each server is started, loaded with a key and checked
``load/``      the load generators: closed loop (wrk) and open loop
``report/``    the terminal's tables and the HTML page
``results/``   what runs have written
=============  =====================================================================

What is told is ratios between things measured in one run on the same cores; a figure from one
machine means little beside a figure from another.
"""
