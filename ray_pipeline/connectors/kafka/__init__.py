"""Kafka by librdkafka: consumer, dead-letter producers, admin questions, the embedded broker."""
