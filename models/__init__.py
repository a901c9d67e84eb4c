"""Models, their weights, and the commands that train, measure, use and export them."""
