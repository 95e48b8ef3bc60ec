"""Values and rules that know nothing of networks, files or databases."""
