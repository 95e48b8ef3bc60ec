"""What a run has found, for people: tables, and one HTML page with plots."""
