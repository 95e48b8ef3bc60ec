"""What stands between the server and the resources, outermost first (contract 2.2)."""
