"""Features at run time: kept up online, read, built, shown and verified."""
