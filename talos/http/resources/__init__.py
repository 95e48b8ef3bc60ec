"""The nouns of the API, a file each. A resource decodes, asks one service, and renders."""
