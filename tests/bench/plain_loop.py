"""The loop that a team writes by hand: one consumer, orjson, jsonschema-rs, Parquet, dead letters; at least once.

``share`` is ``k/n``: this process is number k of n that divide the partitions among them.

It keeps no log and no order of commits, lands what ``pyarrow`` makes of the values, and stops at the first record
that its libraries cannot take (a tombstone, an integer past 64 bits). It is the yardstick, not a rival.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jsonschema_rs
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Consumer, Producer, TopicPartition

from ray_pipeline.contracts.load import load_contract


def main(bootstrap: str, topic: str, contract_file: str, folder: str, columns: str, share: str) -> None:
    contract = load_contract(contract_file)
    validator = jsonschema_rs.validator_for(contract.json_schema, validate_formats=True)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "plain", "enable.partition.eof": True})
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "compression.type": "zstd"})
    number, of = (int(part) for part in share.split("/"))
    partitions = list(consumer.list_topics(topic).topics[topic].partitions)[number::of]
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    ended, read, files, rows, raw = 0, 0, 0, [], []
    while ended < len(partitions):
        for message in consumer.consume(10_000, 1.0):
            if message.error():
                ended += 1
                continue
            read += 1
            value = message.value()
            record = orjson.loads(value)
            errors = list(validator.iter_errors(record)) if not validator.is_valid(record) else ()
            if errors:
                producer.produce(
                    f"{topic}.plain-dead-letters", value, message.key(), headers={"error": str(errors[0].message)[:500]}
                )
                producer.poll(0)
            elif columns == "pylist":
                rows.append(record)
            else:
                raw.append(value)
        if max(len(rows), len(raw)) >= 100_000 or (ended == len(partitions) and (rows or raw)):
            table = pa.Table.from_pylist(rows) if columns == "pylist" else _read(raw, contract.read_schema)
            pq.write_table(table, Path(folder) / f"{number}-{files}.parquet", compression="zstd")
            files, rows, raw = files + 1, [], []
    producer.flush(60)
    print(read)


def _read(raw: list[bytes], schema: pa.Schema) -> pa.Table:
    from io import BytesIO

    import pyarrow.json

    data = b"\n".join(raw)
    return pyarrow.json.read_json(
        BytesIO(data),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=max(len(data), 1) + 1),
        parse_options=pyarrow.json.ParseOptions(explicit_schema=schema),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
