"""What is looked at: one measure a file, each a frozen value, each with a partial that merges exactly in any order."""
