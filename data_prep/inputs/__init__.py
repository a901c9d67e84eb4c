"""What datasets share: label lists, tables, and the clips that they speak of."""
