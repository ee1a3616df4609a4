"""The running example: real flights of 2013 as three topics of events, some of them spoiled on purpose.

``flights`` reads the published tables, ``times`` works out when things truly happened, ``events`` says them as JSON,
``spoil`` breaks a seeded share of them, ``plan`` puts it all in the order of publication.
"""
