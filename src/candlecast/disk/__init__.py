"""Files on disk that may come from anybody, be broken, or be written by several processes at once."""
