"""Results in service as files in a folder, for every engine whose files start a server."""
