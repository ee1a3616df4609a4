"""The running example: the flights of 2013 as three topics of events."""
