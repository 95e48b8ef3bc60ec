"""How the cost of a verification grows: with keys, connections, workers, sizes, and the like."""
