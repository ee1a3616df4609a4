"""Will this flight arrive more than 15 minutes late? Asked one hour before its scheduled departure.

A view says once how features are computed from events: the batch job, the stream and training sets all use it. Columns
and their types are those of the contracts in ``contracts/flights``; ``ray-pipeline features lint`` checks every name.
"""

from datetime import timedelta

from feast import Entity, ValueType

from ray_pipeline.connectors.feast import feature_service, feature_view
from ray_pipeline.features import count, field, label_set, mean, request_features, share

origin = Entity(name="origin", value_type=ValueType.STRING, description="Airport that a flight leaves")
destination = Entity(name="destination", value_type=ValueType.STRING, description="Airport that it flies to")
carrier = Entity(name="carrier", value_type=ValueType.STRING, description="Two-letter code of the airline")
aircraft = Entity(name="aircraft", join_keys=["tail_number"], value_type=ValueType.STRING, description="One aircraft")

# Without a window a feature is a value of the entity's newest event. Nobody wants the weather of yesterday: after the
# ttl there is none.
weather_at_origin = feature_view(
    "weather_at_origin",
    entity=origin,
    dataset="weather",
    keys={"origin": "origin"},
    features={
        "temperature_f": "temperature_f",
        "wind_speed_mph": "wind.speed_mph",
        "precipitation_inches": "precipitation_inches",
        "visibility_miles": "visibility_miles",
        "pressure_millibars": "pressure_millibars",
    },
    ttl=timedelta(hours=6),
    description="The last hourly report of the airport",
)

# With a window it is a named aggregate of the events within, as far as they were published at the moment asked. A
# flight that was cancelled has a departure event too, and no delay.
departed = ~field("cancelled")
delay = field("departure_delay_minutes")
punctuality = {"departures": count(), "mean_delay": mean(delay), "share_late": share(delay > 15)}

origin_last_2h = feature_view(
    "origin_last_2h",
    entity=origin,
    dataset="departures",
    keys={"origin": "origin"},
    features=punctuality,
    where=departed,
    window=timedelta(hours=2),
    description="Departures of the airport in the last two hours",
)
carrier_last_24h = feature_view(
    "carrier_last_24h",
    entity=carrier,
    dataset="departures",
    keys={"carrier": "carrier.code"},  # a dot leads into a record
    features=punctuality,
    where=departed,
    window=timedelta(hours=24),
    description="Departures of the airline in the last day",
)
route_last_24h = feature_view(
    "route_last_24h",
    entity=[origin, destination],  # a key of two parts
    dataset="departures",
    keys={"origin": "origin", "destination": "destination"},
    features=punctuality,
    where=departed,
    window=timedelta(hours=24),
    description="Departures from one airport to the other in the last day",
)
aircraft_last_arrival = feature_view(
    "aircraft_last_arrival",
    entity=aircraft,
    dataset="arrivals",
    keys={"tail_number": "aircraft.tail_number"},
    features={
        "arrival_delay_minutes": "arrival_delay_minutes",
        "air_time_minutes": "air_time_minutes",
        "landed_in": "destination",
        "landed_at": "occurred_at",
    },
    ttl=timedelta(days=7),
    description="Where and how late the aircraft landed last",
)

# A week changes slowly: `feast materialize` writes its online values from the offline table, not the stream.
destination_last_7d = feature_view(
    "destination_last_7d",
    entity=destination,
    dataset="arrivals",
    keys={"destination": "destination"},
    features={
        "arrivals": count(),
        "mean_arrival_delay": mean("arrival_delay_minutes"),
        "share_arrived_late": share(field("arrival_delay_minutes") > 15),
    },
    where=~field("diverted"),
    window=timedelta(days=7),
    feed="materialized",
    description="Arrivals at the airport in the last week",
)

# What whoever asks knows by itself, in the time of the airports.
scheduled = field("scheduled_departure_at").dt.convert_time_zone("America/New_York")
calendar = request_features(
    "calendar",
    inputs={"scheduled_departure_at": "timestamp"},
    features={"hour": scheduled.dt.hour(), "weekday": scheduled.dt.weekday(), "month": scheduled.dt.month()},
)

# What a model asks for.
flight_delay = feature_service(
    "flight_delay",
    [weather_at_origin, origin_last_2h, carrier_last_24h, route_last_24h, aircraft_last_arrival, destination_last_7d],
    request=calendar,
    description="Will this flight arrive more than 15 minutes late?",
)

# What came true, for training. The timetable is no topic: a question is a departure's row, of which only columns of the
# timetable are used, and the tail number counts as known.
late_arrival = label_set(
    "late_arrival",
    requests="departures",
    keys={
        "origin": "origin",
        "destination": "destination",
        "carrier": "carrier.code",
        "tail_number": "aircraft.tail_number",
        "scheduled_departure_at": "scheduled_departure_at",
    },
    asked_at=field("scheduled_departure_at").dt.offset_by("-1h"),
    outcomes="arrivals",
    on="flight_id",
    label=field("arrival_delay_minutes") > 15,
    without={"cancelled": field("cancelled"), "diverted": field("diverted")},
)
