"""What of the SQL adapter needs no database."""
