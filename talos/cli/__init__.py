"""The command line: one module a command group. Contract 13."""
