"""Operations of the compiled core beside their alternatives, in one process and one run.

Every case has one operation of ours and others that do the same or less; the ratio is what is told.
The times hold what pytest-benchmark's own call costs, some 50 ns, which makes ratios between very
short operations smaller than they are; the case ``call`` shows it.
"""
