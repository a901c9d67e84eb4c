"""Tables of results: repeated trials, their statistics and figures."""
