"""A network as the files that others build and run."""
