"""argv -> Config -> Session. Results go to standard output, everything else to standard error."""
