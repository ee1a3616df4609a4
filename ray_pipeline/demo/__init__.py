"""The running example: real flights of 2013 as three topics of events, some of them spoiled on purpose.

``flights`` reads the published tables, ``times`` works out when things truly happened, ``events`` says them as JSON,
``spoil`` breaks a seeded share of them and ``kilometres`` a whole day, ``plan`` puts it all in the order of publication
and says what must become of it; ``fates`` says what the gate must do with what landed, ``story`` tells what it found.
"""
