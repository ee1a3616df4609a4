"""A data contract: parse it, check that it is sound, compile it to a JSON Schema and to Arrow schemas."""
